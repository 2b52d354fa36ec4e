// A server for the tests of this package: it runs every job in no time, and can be told to break.
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";

import { JobSchema, JobError_Kind, Job_State, Supervisor, WaitOutcome, type Job } from "../src/index.js";

const PAGE = 400;

/** A server that listens. */
export class Fake {
  /** Jobs by id, in the order in which they came. */
  readonly jobs = new Map<string, Job>();
  readonly #requests = new Map<string, string>();
  readonly #sessions = new Set<ServerHttp2Session>();
  #server: Http2Server | undefined;

  /** Listens at a port of its own choice, or at a path. Returns the address for clients. */
  async listen(path?: string): Promise<string> {
    const server = createServer(connectNodeAdapter({ routes: (router) => this.#routes(router) }));
    server.on("session", (session) => {
      this.#sessions.add(session);
      session.on("close", () => this.#sessions.delete(session));
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(path ?? { host: "127.0.0.1", port: 0 }, resolve));
    return path === undefined ? `127.0.0.1:${(server.address() as AddressInfo).port}` : `unix:${path}`;
  }

  /** Ends all connections. */
  cut(): void {
    for (const session of this.#sessions) session.destroy();
  }

  /** Ends the server. */
  close(): void {
    this.#server?.close();
    this.cut();
  }

  /** `throw "x"` fails, `wait` runs until it is cancelled, and everything else gives the script itself. */
  #accept(spec: Job["spec"], jobId: string, requestId: string): Job {
    const id = this.#requests.get(requestId) ?? (jobId || `job-${this.jobs.size}`);
    this.#requests.set(requestId, id);
    const known = this.jobs.get(id);
    if (known) return known;
    const script = spec?.script ?? "";
    if (script === "") throw new ConnectError("job.script is empty", Code.InvalidArgument);
    const job = create(JobSchema, { jobId: id, attempt: 1, ...(spec && { spec }) });
    if (script === "wait") job.state = Job_State.RUNNING;
    else if (script.startsWith("throw")) {
      job.state = Job_State.FAILED;
      job.error = { $typeName: "hero.supervisor.v1.JobError", kind: JobError_Kind.SCRIPT_ERROR, message: "boom", line: 2, column: 1, logTail: [] };
    } else {
      job.state = Job_State.SUCCEEDED;
      job.result = script;
    }
    this.jobs.set(id, job);
    return job;
  }

  #find(jobId: string): Job {
    const job = this.jobs.get(jobId);
    if (!job) throw new ConnectError(`there is no job ${jobId}`, Code.NotFound);
    return job;
  }

  #routes(router: ConnectRouter): void {
    const outcome = (job: Job): WaitOutcome => (job.state === Job_State.RUNNING ? WaitOutcome.TIMED_OUT : WaitOutcome.DONE);
    const calls: Partial<ServiceImpl<typeof Supervisor>> = {
      submitJob: ({ job, jobId, requestId }) => ({ job: this.#accept(job, jobId, requestId) }),
      submitJobs: ({ requests }) => {
        if (requests.some(({ job }) => job?.script === "break")) throw new ConnectError("it is broken", Code.FailedPrecondition);
        const results = requests.map(({ job, jobId, requestId }) => {
          if (job?.script === "") return { error: { code: 3, reason: "INVALID_FIELD", message: "no script" } };
          return { job: this.#accept(job, jobId, requestId) };
        });
        return { results };
      },
      runJob: async ({ job, jobId, requestId }) => {
        const accepted = this.#accept(job, jobId, requestId);
        return { job: accepted, waitOutcome: outcome(accepted) };
      },
      awaitJob: async ({ jobId }) => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        const job = this.#find(jobId);
        return { job, waitOutcome: outcome(job) };
      },
      getJob: ({ jobId }) => ({ job: this.#find(jobId) }),
      cancelJob: ({ jobId, reason }) => {
        const job = this.#find(jobId);
        const changed = job.state === Job_State.RUNNING;
        if (changed) Object.assign(job, { state: Job_State.CANCELLED, cancelReason: reason });
        return { job, changed };
      },
      listJobs: ({ pageToken }) => {
        const all = [...this.jobs.values()].reverse();
        const from = Number(pageToken || 0);
        const to = from + PAGE;
        return { jobs: all.slice(from, to), nextPageToken: to < all.length ? String(to) : "" };
      },
      scaleActors: ({ replicas }) => ({ addedActorIds: Array.from({ length: replicas ?? 0 }, (_, n) => `osis_actor_${n}`) }),
      // Breaks off behind its first line, once.
      watchJob: async function* (this: Fake, { jobId, resumeAfter }: { jobId: string; resumeAfter: string }) {
        const job = this.#find(jobId);
        if (resumeAfter === "") {
          yield { cursor: "1", item: { case: "job" as const, value: create(JobSchema, { jobId, state: Job_State.RUNNING }) } };
          yield { cursor: "2", item: { case: "logEntries" as const, value: { entries: [{ text: "one" }] } } };
          throw new ConnectError("the line is cut", Code.Unavailable);
        }
        yield { cursor: "3", item: { case: "logEntries" as const, value: { entries: [{ text: `two behind ${resumeAfter}` }] } } };
        yield { cursor: "4", item: { case: "job" as const, value: job } };
      }.bind(this),
      streamActorLogs: async function* ({ resumeAfter }) {
        if (resumeAfter === "") {
          yield { cursor: "1", entries: [{ text: "first" }] };
          throw new ConnectError("the line is cut", Code.Unavailable);
        }
        yield { cursor: "2", entries: [{ text: `behind ${resumeAfter}` }] };
      },
    };
    router.service(Supervisor, calls);
  }
}
