import type { SupervisorClient } from "./client.js";
import { resultOf } from "./errors.js";
import type { LogEntry } from "./gen/hero/supervisor/v1/actor_pb.js";
import { Job_State, type Job } from "./gen/hero/supervisor/v1/job_pb.js";
import type { WatchJobResponse } from "./gen/hero/supervisor/v1/supervisor_service_pb.js";
import type { WaitOptions } from "./wait.js";
import { follow } from "./watch.js";

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
