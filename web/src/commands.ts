/** What the page does, as a line for a terminal: every action can be repeated elsewhere. */
import type { ScriptType } from "hero-supervisor/web";
import { ScriptType as Types } from "hero-supervisor/web";
import { typeWord } from "./format";
import { queueWord, type QueueRef } from "./queueref";

/** One action, for both tools. */
export interface Command {
  /** Empty where the command line has no single line for it. */
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
const fields = (queue: QueueRef): object => (typeof queue === "string" ? { queue } : { scriptType: named(queue) });
const reasoned = (reason: string): { reason?: string } => (reason === "" ? {} : { reason });
const why = (reason: string): string[] => (reason === "" ? [] : ["--reason", reason]);

export const commands = {
  getJob: (o: string, jobId: string) => command(o, "GetJob", { jobId, view: "JOB_VIEW_FULL" }, ["job", "get", jobId]),
  cancelJob: (o: string, jobId: string, reason: string) =>
    command(o, "CancelJob", { jobId, ...reasoned(reason) }, ["job", "cancel", jobId, ...why(reason), "--yes"]),
  retryJob: (o: string, jobId: string) => command(o, "RetryJob", { jobId }, ["job", "retry", jobId]),
  changePriority: (o: string, jobId: string, priority: number) =>
    command(o, "UpdateJob", { jobId, job: { priority }, updateMask: "priority" }, ["job", "update", jobId, "--priority", String(priority)]),
  deleteJob: (o: string, jobId: string) => command(o, "DeleteJob", { jobId }, ["job", "delete", jobId, "--yes"]),
  submitJob: (o: string, type: ScriptType, script: string, input: string) =>
    command(o, "SubmitJob", { job: { scriptType: named(type), script, ...(input !== "" && { input }) } }, [
      "job", "submit", "--type", typeWord(type), ...(input === "" ? [] : ["--input", input]), script,
    ]),
  /** `settings` and `updateMask` as in the API, `words` as options of the command line. */
  changeSettings: (o: string, queue: QueueRef, settings: unknown, updateMask: string, words: string[]) =>
    typeof queue === "string"
      ? command(o, "UpdateQueue", { queue, settings, updateMask }, ["queue", "update", queue, ...words])
      : command(o, "UpdateScriptType", { ...fields(queue), settings, updateMask }, ["script-type", "set", queueWord(queue), ...words]),
  createQueue: (o: string, queue: string, type: ScriptType) =>
    command(o, "CreateQueue", { queue, scriptType: named(type) }, ["queue", "create", queue, "--type", typeWord(type)]),
  deleteQueue: (o: string, queue: string) => command(o, "DeleteQueue", { queue }, ["queue", "rm", queue]),
  pauseQueue: (o: string, queue: QueueRef, reason: string) =>
    command(o, "PauseQueue", { ...fields(queue), ...reasoned(reason) }, ["queue", "pause", queueWord(queue), ...why(reason)]),
  resumeQueue: (o: string, queue: QueueRef) =>
    command(o, "ResumeQueue", { ...fields(queue) }, ["queue", "resume", queueWord(queue)]),
  purgeQueue: (o: string, queue: QueueRef, expectedCount: number, reason: string) =>
    command(o, "PurgeQueue", { ...fields(queue), expectedCount, ...reasoned(reason) }, [
      "queue", "purge", queueWord(queue), "--expected-count", String(expectedCount), ...why(reason), "--yes",
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
  scale: (o: string, queue: QueueRef, replicas: number) =>
    command(o, "ScaleActors", { ...fields(queue), replicas }, ["scale", queueWord(queue), String(replicas)]),
};

/** Jobs of which a line for a terminal is made. */
const MOST_IN_LINE = 100;

/** The same for many jobs: a loop over their ids; undefined for so many that no line would hold them. */
export function forEach(ids: readonly string[], one: (id: string) => Command): Command | undefined {
  if (ids.length > MOST_IN_LINE) return undefined;
  const mark = "JOBID";
  const { cli, grpcurl } = one(mark);
  // A request stands in single quotes, which end around the variable.
  const loop = (line: string): string =>
    `for id in ${ids.map(quote).join(" ")}; do ${line.replace(`"${mark}"`, `"'"$id"'"`).replace(mark, '"$id"')}; done`;
  return { cli: loop(cli), grpcurl: loop(grpcurl) };
}
