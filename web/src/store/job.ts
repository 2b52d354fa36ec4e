/** What the page keeps of a job: small, since there may be a hundred thousand. */
import { Job_State, type Job, type JobError_Kind, type ScriptType } from "hero-supervisor/web";
import { ms } from "../format";
import { nameOf } from "../queueref";

export interface LiveJob {
  id: string;
  /** Unknown (0) while only events of a named queue were seen. */
  type: ScriptType;
  /** Name of its queue. */
  queue: string;
  state: Job_State;
  actor: string;
  attempt: number;
  /** When it was accepted, in milliseconds. */
  created: number;
  /** When its state was entered. */
  since: number;
  started?: number | undefined;
  finished?: number | undefined;
  next?: number | undefined;
  error?: { kind: JobError_Kind; message: string } | undefined;
  /** What only the job itself says; undefined while just its events were seen. */
  spec?: { caller: string; context: string; labels: Readonly<Record<string, string>>; maxAttempts: number; target: string; priority: number } | undefined;
}

/** The part of a message that the page keeps. */
export function liveJob(job: Job): LiveJob {
  const created = ms(job.createTime) ?? 0;
  const started = ms(job.startTime);
  const finished = ms(job.finishTime);
  const { spec, error } = job;
  return {
    id: job.jobId,
    type: spec?.scriptType ?? 0,
    queue: nameOf(spec?.queue, spec?.scriptType ?? 0),
    state: job.state,
    actor: job.actorId,
    attempt: job.attempt,
    created,
    since: finished ?? (job.state === Job_State.RUNNING ? started : undefined) ?? created,
    started,
    finished,
    next: ms(job.nextAttemptTime),
    error: error && { kind: error.kind, message: error.message },
    spec: spec && {
      caller: spec.callerId,
      context: spec.contextId,
      labels: spec.labels,
      maxAttempts: spec.retryPolicy?.maxAttempts ?? 1,
      target: spec.targetActorId,
      priority: spec.priority ?? 3,
    },
  };
}
