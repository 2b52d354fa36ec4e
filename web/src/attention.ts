/** What somebody should look at, the worst first: a pure function of the state. */
import { Actor_Health, Dependency_State, JobError_Kind, type GetServerInfoResponse, type ScriptType } from "hero-supervisor/web";
import { errorKind, ms } from "./format";
import { depths, inTrouble, type State } from "./store/fold";

/** A queue whose oldest job waits longer than this. */
export const OLD_MS = 60_000;
/** Failures of one kind within this time … */
const FAILURES_MS = 10 * 60_000;
/** … that are worth a line. */
const FAILURES = 3;
/** A certificate that ends within this time. */
const CERTIFICATE_MS = 14 * 86_400_000;

export type Item =
  | { kind: "dependency"; bad: true; name: string; message: string }
  | { kind: "crashed"; bad: true; actor: string; message: string }
  | { kind: "unhealthy"; bad: true; actor: string; missed: number }
  | { kind: "idle"; bad: true; type: ScriptType; queued: number }
  | { kind: "full"; bad: true; type: ScriptType; queued: number; limit: number }
  | { kind: "reload"; bad: true; subject: string; message: string }
  | { kind: "paused"; bad: false; type: ScriptType; queued: number; reason: string }
  | { kind: "old"; bad: false; type: ScriptType; age: number; queued: number }
  | { kind: "failures"; bad: false; type: ScriptType; error: JobError_Kind; name: string; failed: number; latest: string }
  | { kind: "certificate"; bad: false; left: number };

export function attention(state: State, server: GetServerInfoResponse | undefined, now: number): Item[] {
  const items: Item[] = [];
  for (const { name, state: up, message } of state.dependencies.values()) {
    if (up === Dependency_State.DOWN) items.push({ kind: "dependency", bad: true, name, message });
  }
  for (const actor of state.actors.values()) {
    const { actorId } = actor;
    if (inTrouble(actor)) items.push({ kind: "crashed", bad: true, actor: actorId, message: actor.statusMessage });
    else if (actor.health === Actor_Health.UNHEALTHY) {
      items.push({ kind: "unhealthy", bad: true, actor: actorId, missed: actor.consecutivePingFailures });
    }
  }
  queues(state, now, items);
  for (const [subject, event] of state.reloads) items.push({ kind: "reload", bad: true, subject, message: event.message });
  failures(state, now, items);
  const notAfter = ms(server?.tls?.notAfter);
  if (notAfter !== undefined && notAfter - now < CERTIFICATE_MS) items.push({ kind: "certificate", bad: false, left: notAfter - now });
  return items.sort((a, b) => Number(b.bad) - Number(a.bad));
}

function queues(state: State, now: number, items: Item[]): void {
  const running = new Map<ScriptType, number>();
  for (const actor of state.actors.values()) {
    const type = actor.config?.scriptType ?? 0;
    if (actor.pid !== undefined) running.set(type, (running.get(type) ?? 0) + 1);
  }
  for (const [type, { queued, oldest }] of depths(state)) {
    const status = state.types.get(type);
    const limit = Number(status?.queueLimit ?? 0);
    if (limit > 0 && queued >= limit) items.push({ kind: "full", bad: true, type, queued, limit });
    if (status?.paused) items.push({ kind: "paused", bad: false, type, queued, reason: status.pauseReason });
    else if (queued > 0 && !running.get(type)) items.push({ kind: "idle", bad: true, type, queued });
    else if (queued > 0 && now - oldest > OLD_MS) items.push({ kind: "old", bad: false, type, age: now - oldest, queued });
  }
}

function failures(state: State, now: number, items: Item[]): void {
  const groups = new Map<string, { type: ScriptType; kind: JobError_Kind; failed: number; latest: string }>();
  for (const job of state.ended.values()) {
    if (!job.error || now - job.since > FAILURES_MS) continue;
    const key = `${job.type} ${job.error.kind}`;
    const group = groups.get(key) ?? { type: job.type, kind: job.error.kind, failed: 0, latest: "" };
    groups.set(key, { ...group, failed: group.failed + 1, latest: job.error.message });
  }
  for (const { type, kind, failed, latest } of groups.values()) {
    if (failed >= FAILURES) items.push({ kind: "failures", bad: false, type, error: kind, name: errorKind(kind), failed, latest });
  }
}
