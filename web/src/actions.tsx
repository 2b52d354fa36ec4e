/** What can be done from the page: each with what it will do to running jobs, and the same as a line for a terminal. */
import type { Actor, ScriptType } from "hero-supervisor/web";
import { commands, forEach, type Command } from "./commands";
import { ended, shortId, span, spanMs } from "./format";
import { queueField, queueTitle, type QueueRef } from "./queueref";
import { go } from "./router";
import * as session from "./session";
import { inFlight } from "./store/fold";
import type { LiveJob } from "./store/job";
import { state } from "./store/live";
import { actorsAt, depthOf } from "./store/queues";
import { T } from "./texts";
import { act, ask } from "./ui/dialog";

const calls = () => session.client.value!.calls;
/** The address for command lines: that of the page. */
export const origin = (): string => location.origin;
/** Longest wait of a call that starts or stops an actor, in seconds. */
const WAIT = { seconds: 60n, nanos: 0 };

export function pauseQueue(queue: QueueRef): void {
  const depth = depthOf(queue);
  ask({
    title: T.pauseTitle(queueTitle(queue)),
    says: T.pauseSays(depth?.running ?? 0, depth?.queued ?? 0),
    button: T.pause,
    reason: true,
    command: (reason) => commands.pauseQueue(origin(), queue, reason),
    run: async (reason) => {
      await calls().pauseQueue({ ...queueField(queue), reason });
      return T.paused(queueTitle(queue));
    },
    undo: { label: T.undo, run: () => resumeQueue(queue) },
  });
}

export function resumeQueue(queue: QueueRef): void {
  void act(async () => {
    await calls().resumeQueue(queueField(queue));
    return T.resumed(queueTitle(queue));
  }, { label: T.undo, run: () => pauseQueue(queue) }, commands.resumeQueue(origin(), queue));
}

export async function purgeQueue(queue: QueueRef): Promise<void> {
  let counted = 0;
  const known = await act(async () => {
    counted = (await calls().purgeQueue({ ...queueField(queue), validateOnly: true })).purgedCount;
    return T.counted(counted);
  });
  if (!known) return;
  const running = depthOf(queue)?.running ?? 0;
  ask({
    title: T.purgeTitle(queueTitle(queue), counted),
    says: T.purgeSays(counted, running),
    button: T.purge(counted),
    danger: true,
    word: queueTitle(queue),
    reason: true,
    command: (reason) => commands.purgeQueue(origin(), queue, counted, reason),
    run: async (reason) => T.purged((await calls().purgeQueue({ ...queueField(queue), expectedCount: counted, reason })).purgedCount),
  });
}

export function scale(queue: QueueRef, replicas: number): void {
  const now = actorsAt(queue);
  ask({
    title: T.scaleTitle(queueTitle(queue), replicas),
    says: T.scaleSays(now, replicas),
    button: T.scale,
    danger: replicas < now,
    reason: true,
    command: () => commands.scale(origin(), queue, replicas),
    run: async (reason) => {
      await calls().scaleActors({ ...queueField(queue), replicas, reason, takeOver: true, maxWait: WAIT });
      return T.scaled(queueTitle(queue), replicas);
    },
    undo: { label: T.undo, run: () => scale(queue, now) },
  });
}

export function createQueue(name: string, type: ScriptType, done: () => void): void {
  void act(async () => {
    await calls().createQueue({ queue: name, scriptType: type });
    done();
    go(["queue", name]);
    return T.queueCreated(name);
  }, undefined, commands.createQueue(origin(), name, type));
}

export function deleteQueue(name: string): void {
  ask({
    title: T.deleteQueueTitle(name),
    says: T.deleteQueueSays,
    button: T.deleteQueue,
    danger: true,
    word: name,
    command: () => commands.deleteQueue(origin(), name),
    run: async () => {
      await calls().deleteQueue({ queue: name });
      go(["queues"]);
      return T.queueDeleted(name);
    },
  });
}

export function cancelJob(job: LiveJob): void {
  ask({
    title: T.cancelTitle(shortId(job.id)),
    says: job.started !== undefined && !ended(job.state) && job.actor !== "" ? T.cancelRunningSays(job.actor) : T.cancelWaitingSays,
    button: T.cancelJob,
    danger: true,
    reason: true,
    command: (reason) => commands.cancelJob(origin(), job.id, reason),
    run: async (reason) => {
      const { changed } = await calls().cancelJob({ jobId: job.id, reason });
      return changed ? T.cancelled(shortId(job.id)) : T.hadEnded(shortId(job.id));
    },
  });
}

export function retryJob(job: LiveJob): void {
  void act(async () => {
    await calls().retryJob({ jobId: job.id });
    return T.retried(shortId(job.id));
  }, { label: T.undoRetry, run: () => cancelJob(job) }, commands.retryJob(origin(), job.id));
}

export function changePriority(jobId: string, priority: number, before: number): void {
  void act(async () => {
    await calls().updateJob({ jobId, job: { priority }, updateMask: { paths: ["priority"] } });
    return T.priorityChanged(shortId(jobId), priority);
  }, { label: T.undo, run: () => changePriority(jobId, before, priority) }, commands.changePriority(origin(), jobId, priority));
}

export function deleteJob(job: LiveJob): void {
  ask({
    title: T.deleteTitle(shortId(job.id)),
    says: T.deleteSays,
    button: T.deleteJob,
    danger: true,
    command: () => commands.deleteJob(origin(), job.id),
    run: async () => {
      await calls().deleteJob({ jobId: job.id });
      go(["jobs"]);
      return T.deleted(shortId(job.id));
    },
  });
}

/** What is done with many jobs at once. */
export type Bulk = "cancel" | "retry" | "delete";

/** Jobs of which one call at a time is under way. */
const AT_ONCE = 8;

export function bulk(what: Bulk, jobs: LiveJob[], done: () => void): void {
  const fits = jobs.filter((job) => (what === "cancel" ? !ended(job.state) : ended(job.state)));
  const running = fits.filter((job) => job.actor !== "" && !ended(job.state)).length;
  ask({
    title: T.bulkTitle[what](fits.length),
    says: T.bulkSays[what](fits.length, running, jobs.length - fits.length),
    button: T.bulkButton[what](fits.length),
    danger: what !== "retry",
    reason: what === "cancel",
    command: (reason) => forEach(fits.map((job) => job.id), (id) => lineOf(what, id, reason)),
    run: async (reason) => {
      let failed = 0;
      let last = "";
      for (let at = 0; at < fits.length; at += AT_ONCE) {
        const results = await Promise.allSettled(fits.slice(at, at + AT_ONCE).map((job) => one(what, job.id, reason)));
        for (const result of results) {
          if (result.status === "fulfilled") continue;
          failed += 1;
          last = String((result.reason as Error).message);
        }
      }
      done();
      return T.bulkDone[what](fits.length - failed) + (failed > 0 ? T.bulkFailed(failed, last) : "");
    },
  });
}

function lineOf(what: Bulk, jobId: string, reason: string): Command {
  if (what === "cancel") return commands.cancelJob(origin(), jobId, reason);
  return what === "retry" ? commands.retryJob(origin(), jobId) : commands.deleteJob(origin(), jobId);
}

function one(what: Bulk, jobId: string, reason: string): Promise<unknown> {
  if (what === "cancel") return calls().cancelJob({ jobId, reason });
  return what === "retry" ? calls().retryJob({ jobId }) : calls().deleteJob({ jobId });
}

export function startActor(actorId: string): void {
  void act(async () => {
    await calls().startActor({ actorId, maxWait: WAIT });
    return T.started(actorId);
  }, { label: T.undo, run: () => { const actor = state.actors.get(actorId); if (actor) stopActor(actor); } }, commands.startActor(origin(), actorId));
}

/** What happens to the jobs of an actor that is stopped. */
function drainSays(actor: Actor, force: boolean): string {
  const jobs = inFlight(state).get(actor.actorId) ?? 0;
  if (force) return T.forceSays(jobs);
  return T.drainSays(jobs, span(spanMs(actor.config?.drainTimeout) ?? 30_000));
}

export function stopActor(actor: Actor, force = false): void {
  const { actorId } = actor;
  ask({
    title: force ? T.killTitle(actorId) : T.stopTitle(actorId),
    says: drainSays(actor, force),
    button: force ? T.kill : T.stop,
    danger: true,
    reason: true,
    command: (reason) => commands.stopActor(origin(), actorId, force, reason),
    run: async (reason) => {
      await calls().stopActor({ actorId, force, reason, maxWait: WAIT });
      return T.stopped(actorId);
    },
    undo: { label: T.undo, run: () => startActor(actorId) },
  });
}

export function restartActor(actor: Actor): void {
  const { actorId } = actor;
  ask({
    title: T.restartTitle(actorId),
    says: drainSays(actor, false),
    button: T.restart,
    reason: true,
    command: (reason) => commands.restartActor(origin(), actorId, false, reason),
    run: async (reason) => {
      await calls().restartActor({ actorId, reason, maxWait: WAIT });
      return T.restarted(actorId);
    },
  });
}

export function deleteActor(actor: Actor): void {
  const { actorId } = actor;
  ask({
    title: T.deleteActorTitle(actorId),
    says: `${drainSays(actor, false)} ${T.deleteActorSays}`,
    button: T.deleteActor,
    danger: true,
    word: actorId,
    reason: true,
    command: (reason) => commands.deleteActor(origin(), actorId, reason),
    run: async (reason) => {
      await calls().deleteActor({ actorId, reason });
      go(["actors"]);
      return T.actorDeleted(actorId);
    },
  });
}

export function ping(actorId: string): void {
  void act(async () => {
    const { reports } = await calls().checkHealth({ selector: { actorIds: [actorId] }, maxWait: { seconds: 30n, nanos: 0 } });
    const trip = spanMs(reports[0]?.lastPing?.roundTrip);
    return trip === undefined ? T.pingUnanswered(actorId) : T.pinged(actorId, span(trip));
  }, undefined, commands.checkHealth(origin(), actorId));
}
