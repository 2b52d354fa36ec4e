/** Jobs that failed in the same way: a pure function of a list. */
import { Job_State, type JobError_Kind, type ScriptType } from "hero-supervisor/web";
import { line } from "./format";
import type { LiveJob } from "./store/job";

export interface Group {
  key: string;
  type: ScriptType;
  kind: JobError_Kind;
  /** The error without what differs from job to job: numbers, ids and quoted names. */
  message: string;
  /** The jobs, the latest first. */
  jobs: LiveJob[];
}

/** An error without what differs from job to job. */
export function shape(message: string): string {
  return line(message, 200)
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/gi, "…")
    .replace(/(["'`])(?:(?!\1).)*\1/g, "$1…$1")
    .replace(/\d+(?:\.\d+)?/g, "#");
}

/** Groups the jobs that failed, the largest group first. */
export function groups(jobs: readonly LiveJob[]): Group[] {
  const all = new Map<string, Group>();
  for (const job of jobs) {
    if (job.state !== Job_State.FAILED || !job.error) continue;
    const message = shape(job.error.message);
    const key = `${job.type} ${job.error.kind} ${message}`;
    const group = all.get(key);
    if (group) group.jobs.push(job);
    else all.set(key, { key, type: job.type, kind: job.error.kind, message, jobs: [job] });
  }
  for (const group of all.values()) group.jobs.sort((a, b) => b.since - a.since);
  return [...all.values()].sort((a, b) => b.jobs.length - a.jobs.length || b.jobs[0]!.since - a.jobs[0]!.since);
}
