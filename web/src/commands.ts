/** What the page does, as a line for a terminal: every action can be repeated elsewhere. */
import type { ScriptType } from "hero-supervisor/web";
import { ScriptType as Types } from "hero-supervisor/web";
import { typeWord } from "./format";

/** One action, for both tools. */
export interface Command {
  cli: string;
  grpcurl: string;
}

/** Quotes a word for a shell, if it needs that. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replace(/'/g, `'\\''`)}'`;
}

/** The lines for a call of the API with this request, and for this command. `origin` is the address of the page. */
export function command(origin: string, call: string, request: unknown, words: string[]): Command {
  const url = new URL(origin);
  const plaintext = url.protocol === "http:" ? " -plaintext" : "";
  const data = JSON.stringify(request);
  const given = data === "{}" ? "" : ` -d ${quote(data)}`;
  return {
    cli: ["hero-supervisor", ...words, "--server", url.origin].map(quote).join(" "),
    grpcurl: `grpcurl${plaintext}${given} ${url.host} hero.supervisor.v1.Supervisor/${call}`,
  };
}

const named = (type: ScriptType): string => `SCRIPT_TYPE_${Types[type]}`;
const reasoned = (reason: string): { reason?: string } => (reason === "" ? {} : { reason });
const why = (reason: string): string[] => (reason === "" ? [] : ["--reason", reason]);

export const commands = {
  getJob: (o: string, jobId: string) => command(o, "GetJob", { jobId, view: "JOB_VIEW_FULL" }, ["job", "get", jobId]),
  cancelJob: (o: string, jobId: string, reason: string) =>
    command(o, "CancelJob", { jobId, ...reasoned(reason) }, ["job", "cancel", jobId, ...why(reason), "--yes"]),
  retryJob: (o: string, jobId: string) => command(o, "RetryJob", { jobId }, ["job", "retry", jobId]),
  deleteJob: (o: string, jobId: string) => command(o, "DeleteJob", { jobId }, ["job", "delete", jobId, "--yes"]),
  submitJob: (o: string, type: ScriptType, script: string, input: string) =>
    command(o, "SubmitJob", { job: { scriptType: named(type), script, ...(input !== "" && { input }) } }, [
      "job", "submit", "--type", typeWord(type), ...(input === "" ? [] : ["--input", input]), script,
    ]),
  pauseQueue: (o: string, type: ScriptType, reason: string) =>
    command(o, "PauseQueue", { scriptType: named(type), ...reasoned(reason) }, ["queue", "pause", typeWord(type), ...why(reason)]),
  resumeQueue: (o: string, type: ScriptType) =>
    command(o, "ResumeQueue", { scriptType: named(type) }, ["queue", "resume", typeWord(type)]),
  purgeQueue: (o: string, type: ScriptType, expectedCount: number, reason: string) =>
    command(o, "PurgeQueue", { scriptType: named(type), expectedCount, ...reasoned(reason) }, [
      "queue", "purge", typeWord(type), "--expected-count", String(expectedCount), ...why(reason), "--yes",
    ]),
  startActor: (o: string, actorId: string) => command(o, "StartActor", { actorId }, ["actor", "start", actorId]),
  stopActor: (o: string, actorId: string, force: boolean, reason: string) =>
    command(o, "StopActor", { actorId, ...(force && { force }), ...reasoned(reason) }, [
      "actor", "stop", actorId, ...(force ? ["--force"] : []), ...why(reason), "--yes",
    ]),
  restartActor: (o: string, actorId: string, force: boolean, reason: string) =>
    command(o, "RestartActor", { actorId, ...(force && { force }), ...reasoned(reason) }, [
      "actor", "restart", actorId, ...(force ? ["--force"] : []), ...why(reason),
    ]),
  deleteActor: (o: string, actorId: string, reason: string) =>
    command(o, "DeleteActor", { actorId, ...reasoned(reason) }, ["actor", "delete", actorId, ...why(reason), "--yes"]),
  checkHealth: (o: string, actorId: string) =>
    command(o, "CheckHealth", { selector: { actorIds: [actorId] } }, ["health", "check", actorId]),
  scale: (o: string, type: ScriptType, replicas: number) =>
    command(o, "ScaleActors", { scriptType: named(type), replicas }, ["scale", typeWord(type), String(replicas)]),
};
