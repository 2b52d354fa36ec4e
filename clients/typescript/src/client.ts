import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { createClient, type Client as Calls, type Transport } from "@connectrpc/connect";

import { batches, itemError, requestOf, unsubmitted, type Submission } from "./batch.js";
import { parseError, resultOf, told, type SupervisorError } from "./errors.js";
import type { Actor, LogEntry } from "./gen/hero/supervisor/v1/actor_pb.js";
import type { Event } from "./gen/hero/supervisor/v1/event_pb.js";
import { Job_State, JobView, type Job } from "./gen/hero/supervisor/v1/job_pb.js";
import type { ScriptType } from "./gen/hero/supervisor/v1/script_type_pb.js";
import {
  RunJobRequest_OnWaitEnd,
  Supervisor,
  WaitOutcome,
  type ListActorsRequestSchema,
  type ListEventsRequestSchema,
  type ListJobsRequestSchema,
  type ScaleActorsRequestSchema,
  type ScaleActorsResponse,
  type StreamActorLogsRequestSchema,
  type WatchEventsRequestSchema,
  type WatchEventsResponse,
  type WatchHealthRequestSchema,
  type WatchHealthResponse,
  type WatchJobResponse,
} from "./gen/hero/supervisor/v1/supervisor_service_pb.js";
import { actorLines } from "./logs.js";
import { pages } from "./pages.js";
import { CALL_MARGIN_MS, duration, persist, type Call, type ClientOptions, type WaitOptions } from "./wait.js";
import { cancelUnawaited, isEndOfWait } from "./unawaited.js";
import { follow } from "./watch.js";

/** What a job has beside its script. */
export interface SubmitOptions extends WaitOptions, Omit<Submission, "scriptType" | "script"> {}

/** What a job has beside its script, and what becomes of it when the wait ends first. */
export interface RunOptions extends SubmitOptions {
  /**
   * Cancel the job when the wait ends before it, by `timeoutMs` or `signal`. `run` may take up to 3 seconds longer for this.
   * Without an answer within this time the job may go on; the error says so. Default: false.
   */
  cancelOnWaitEnd?: boolean;
}

/** What ends a call. */
export interface CallOptions {
  /** Ends the call. */
  signal?: AbortSignal;
}

/** How to scale, beside the number of actors. */
export interface ScaleOptions extends CallOptions {
  /** How long to wait until the actors run, in milliseconds. Default: as long as the server waits by itself. */
  timeoutMs?: number;
  /** The rest of the request: drain_timeout, validate_only, take_over, reason. */
  request?: Omit<MessageInitShape<typeof ScaleActorsRequestSchema>, "scriptType" | "replicas" | "maxWait">;
}

/** What became of one job of many: it has a handle, or an error that says why it was refused. */
export type Submitted = { handle: JobHandle; error?: undefined } | { handle?: undefined; error: SupervisorError };

/** Talks to one supervisor. */
export class SupervisorClient {
  /** Every call of the API, as it was generated. */
  readonly calls: Calls<typeof Supervisor>;

  constructor(
    /** What the client talks over. */
    readonly transport: Transport,
    /** How the client deals with a server that does not answer. */
    readonly options: ClientOptions = {},
  ) {
    this.calls = createClient(Supervisor, transport);
  }

  /**
   * Runs a script and waits for its end, however often the connection is lost or the server restarted in between; the
   * job is made once. The job that it gives has ended, which is not to say that it succeeded: see `resultOf`.
   *
   * When the wait is over first, it throws a SupervisorError with the reason WAIT_OVER and the job's id in its metadata
   * (`job_id`); the job goes on. When nothing is known of a job, the reason is NO_SERVER, the text and the cause have the
   * last failure, and `request_id` in the metadata is that of the request: a repeat with it makes the job once. With
   * `cancelOnWaitEnd` the job does not go on, unless it was there before by its unique key.
   */
  async run(scriptType: ScriptType, script: string, options: RunOptions = {}): Promise<Job> {
    const { job, requestId, jobId } = requestOf({ ...options, scriptType, script });
    const known: Record<string, string> = { request_id: requestId };
    const request = { ...(job && { job }), requestId, jobId };
    let [tried, begun, existing] = [false, false, false];
    const ended = persist(this.options, options, known, async (maxWait, call) => {
      tried = true;
      if (begun) return this.#awaited(known["job_id"]!, call, maxWait);
      const answer = await this.calls.runJob({ ...request, maxWait }, call);
      if (answer.waitOutcome === WaitOutcome.DONE && answer.job) return answer.job;
      if (answer.job) known["job_id"] = answer.job.jobId;
      [begun, existing] = [answer.job !== undefined, answer.existing];
      return undefined;
    });
    if (!options.cancelOnWaitEnd) return ended;
    return ended.catch((error: unknown) => {
      if (!tried || existing || !isEndOfWait(error)) throw error;
      return cancelUnawaited(this.options, error, (call) =>
        begun
          ? this.calls.cancelJob({ jobId: known["job_id"]!, reason: "its caller stopped waiting" }, call)
          : // The same request finds the job if there is one. If there is none yet, the call that was broken off cannot make
            // another one later.
            this.calls.runJob({ ...request, maxWait: duration(0), onWaitEnd: RunJobRequest_OnWaitEnd.CANCEL }, call),
      );
    });
  }

  /** Waits for the end of a job as `run` does. */
  await(jobId: string, options: WaitOptions = {}): Promise<Job> {
    return persist(this.options, options, { job_id: jobId }, (maxWait, call) => this.#awaited(jobId, call, maxWait));
  }

  /**
   * Puts a job into its queue and gives a handle to it. Repeats the call while the server is away, as `run` does; the job
   * is made once.
   */
  async submit(scriptType: ScriptType, script: string, options: SubmitOptions = {}): Promise<JobHandle> {
    const request = requestOf({ ...options, scriptType, script });
    return persist(this.options, options, { request_id: request.requestId }, async (_, call) => {
      const { job } = await this.calls.submitJob(request, call);
      return job && this.job(job.jobId);
    });
  }

  /**
   * Puts many jobs into their queues, in as many calls as they need, and gives what became of each, in their order. Good
   * ones are accepted whatever the others are. Calls are repeated while the server is away; each job is made once. It throws
   * when the first call fails; when a later one does, the jobs of that call have its error, with their `request_id`.
   */
  async submitMany(submissions: Iterable<Submission>, options: WaitOptions = {}): Promise<Submitted[]> {
    const submitted: Submitted[] = [];
    const deadline = Date.now() + (options.timeoutMs ?? Infinity);
    for (const requests of batches(Array.from(submissions, requestOf))) {
      const left = Number.isFinite(deadline) ? { timeoutMs: Math.max(0, deadline - Date.now()) } : {};
      try {
        const { results } = await persist(this.options, { ...options, ...left }, {}, (_, call) => this.calls.submitJobs({ requests }, call));
        for (const { job, error } of results) submitted.push(job ? { handle: this.job(job.jobId) } : { error: itemError(error!) });
      } catch (error) {
        // Jobs of calls before are there, and their handles are not to be lost.
        if (submitted.length === 0) throw error;
        for (const { requestId } of requests) submitted.push({ error: unsubmitted(parseError(error), requestId) });
      }
    }
    return submitted;
  }

  /** A handle to a job that is there already. Asks the server nothing. */
  job(jobId: string): JobHandle {
    return new JobHandle(this, jobId);
  }

  /** Reads a job as it is now, with its script and environment. */
  async getJob(jobId: string, options: CallOptions = {}): Promise<Job> {
    return (await told(this.calls.getJob({ jobId, view: JobView.FULL }, options))).job!;
  }

  /** Cancels a job, waiting or running; one that has ended stays as it is. Returns the job. */
  async cancel(jobId: string, reason = "", options: CallOptions = {}): Promise<Job> {
    return (await told(this.calls.cancelJob({ jobId, reason }, options))).job!;
  }

  /** Gives the jobs that match, newest first, page by page. */
  listJobs(filter: MessageInitShape<typeof ListJobsRequestSchema> = {}, options: CallOptions = {}): AsyncGenerator<Job, void> {
    return pages(async (pageToken) => {
      const answer = await told(this.calls.listJobs({ ...filter, pageToken } as typeof filter, options));
      return { items: answer.jobs, nextPageToken: answer.nextPageToken };
    });
  }

  /** Gives the actors that match, page by page. */
  listActors(filter: MessageInitShape<typeof ListActorsRequestSchema> = {}, options: CallOptions = {}): AsyncGenerator<Actor, void> {
    return pages(async (pageToken) => {
      const answer = await told(this.calls.listActors({ ...filter, pageToken } as typeof filter, options));
      return { items: answer.actors, nextPageToken: answer.nextPageToken };
    });
  }

  /** Gives the events that match, page by page. */
  listEvents(filter: MessageInitShape<typeof ListEventsRequestSchema> = {}, options: CallOptions = {}): AsyncGenerator<Event, void> {
    return pages(async (pageToken) => {
      const answer = await told(this.calls.listEvents({ ...filter, pageToken } as typeof filter, options));
      return { items: answer.events, nextPageToken: answer.nextPageToken };
    });
  }

  /** Sets how many actors of a type there are, and waits until they run. */
  scale(scriptType: ScriptType, replicas: number, options: ScaleOptions = {}): Promise<ScaleActorsResponse> {
    const { timeoutMs, signal, request } = options;
    const maxWait = timeoutMs === undefined ? {} : { maxWait: duration(timeoutMs) };
    return told(
      this.calls.scaleActors(
        { ...request, scriptType, replicas, ...maxWait } as MessageInitShape<typeof ScaleActorsRequestSchema>,
        { ...(signal && { signal }), ...(timeoutMs !== undefined && { timeoutMs: timeoutMs + CALL_MARGIN_MS }) },
      ),
    );
  }

  /**
   * Gives the lines that an actor has written, 100 of them unless `tailLines` says otherwise. With `follow`, it goes on
   * with new ones until the loop is left or the signal given, through lost connections.
   */
  actorLogs(
    actorId: string,
    request: Omit<MessageInitShape<typeof StreamActorLogsRequestSchema>, "actorId"> = {},
    options: CallOptions = {},
  ): AsyncGenerator<LogEntry, void> {
    return actorLines(this.options, request, options.signal, (resumeAfter) =>
      this.calls.streamActorLogs(
        { ...request, actorId, resumeAfter } as MessageInitShape<typeof StreamActorLogsRequestSchema>,
        options,
      ),
    );
  }

  /**
   * Follows what happens until the loop is left or the signal given. It goes on by itself behind the last message when
   * the connection is lost, the server restarted, or this reader was too slow: nothing is left out, nothing comes twice.
   * Only if the server no longer keeps what came after the last message, it begins anew with a snapshot.
   */
  watchEvents(
    request: MessageInitShape<typeof WatchEventsRequestSchema> = {},
    options: { signal?: AbortSignal } = {},
  ): AsyncGenerator<WatchEventsResponse, void> {
    return follow(this.options, request, options.signal, (at, signal) =>
      this.calls.watchEvents({ ...request, ...at } as MessageInitShape<typeof WatchEventsRequestSchema>, { signal }),
    );
  }

  /** Follows the health of actors as `watchEvents` follows events. */
  watchHealth(
    request: MessageInitShape<typeof WatchHealthRequestSchema> = {},
    options: { signal?: AbortSignal } = {},
  ): AsyncGenerator<WatchHealthResponse, void> {
    return follow(this.options, request, options.signal, (at, signal) =>
      this.calls.watchHealth({ ...request, ...at } as MessageInitShape<typeof WatchHealthRequestSchema>, { signal }),
    );
  }

  async #awaited(jobId: string, call: Call, maxWait: Duration): Promise<Job | undefined> {
    const { job, waitOutcome } = await this.calls.awaitJob({ jobId, maxWait }, call);
    return waitOutcome === WaitOutcome.DONE ? job : undefined;
  }
}

/** One job of a server: what `submit` gives, and `client.job(id)` for a job of somebody else. */
export class JobHandle {
  constructor(
    /** The client whose calls the handle makes. */
    readonly client: SupervisorClient,
    /** The id of the job. */
    readonly jobId: string,
  ) {}

  /** Waits for the result of the job; throws JobFailed when it has none. */
  async result(options: WaitOptions = {}): Promise<string> {
    return resultOf(await this.await(options));
  }

  /** Waits for the end of the job, good or bad. */
  await(options: WaitOptions = {}): Promise<Job> {
    return this.client.await(this.jobId, options);
  }

  /** Reads the job as it is now, with its script and environment. */
  get(options: { signal?: AbortSignal } = {}): Promise<Job> {
    return this.client.getJob(this.jobId, options);
  }

  /** Cancels the job; one that has ended stays as it is. Returns the job. */
  cancel(reason = ""): Promise<Job> {
    return this.client.cancel(this.jobId, reason);
  }

  /**
   * Follows the job to its end: the job as it is, its changes, its progress and its lines, and the job again. It goes on
   * behind the last message when the connection is lost.
   */
  watch(options: { signal?: AbortSignal; includeLogs?: boolean } = {}): AsyncGenerator<WatchJobResponse, void> {
    const { includeLogs = true, signal } = options;
    return follow(
      this.client.options,
      { includeSnapshot: false },
      signal,
      ({ resumeAfter = "" }, signal) => this.client.calls.watchJob({ jobId: this.jobId, includeLogs, resumeAfter }, { signal }),
      ({ item }) => item.case === "job" && [Job_State.SUCCEEDED, Job_State.FAILED, Job_State.CANCELLED].includes(item.value.state),
    );
  }

  /** Gives the lines that the job writes, until its end. */
  async *logs(options: { signal?: AbortSignal } = {}): AsyncGenerator<LogEntry, void> {
    for await (const { item } of this.watch(options)) {
      if (item.case === "logEntries") yield* item.value.entries;
    }
  }
}
