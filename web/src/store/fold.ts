/**
 * The state that the page shows, as a fold of the messages of WatchEvents: a snapshot, then events. Nothing here reads a clock
 * or calls the server. What an event does not tell is noted as stale, for somebody to read it.
 */
import {
  Actor_State, Bookmark_Kind, Event_Type, Job_State, type Actor, type ActorUsage, type Dependency, type Event, type ScriptType, type ScriptTypeStatus,
  type WatchEventsResponse,
} from "hero-supervisor/web";
import { ended, ms } from "../format";
import { nameOf } from "../queueref";
import { liveJob, type LiveJob } from "./job";

/** Events kept for the page about events. */
export const MOST_EVENTS = 2000;
/** Ended jobs kept for lists of what went wrong last. */
export const MOST_ENDED = 500;

/** Samples of the memory of an actor that are kept: ten minutes. */
export const MOST_SAMPLES = 120;

/** What the page knows. */
export interface State {
  /** Whether the first snapshot is complete. */
  ready: boolean;
  actors: Map<string, Actor>;
  types: Map<ScriptType, ScriptTypeStatus>;
  /** Snapshots that were taken over: lists of before are read anew. */
  snapshots: number;
  /** Whether what happened before was read, as far as it can be. */
  past: boolean;
  /** Jobs that have not ended. */
  jobs: Map<string, LiveJob>;
  /** The jobs that ended last, the latest last. */
  ended: Map<string, LiveJob>;
  /** The latest events, the latest last. */
  events: Event[];
  dependencies: Map<string, Dependency>;
  /** What each actor with a process uses, as it was sampled last. */
  usage: Map<string, ActorUsage>;
  /** The memory of each of them over its last samples, the latest last. */
  memory: Map<string, number[]>;
  /** The failed reload that stands, by its subject. */
  reloads: Map<string, Event>;
  /** What has to be read anew, since events do not tell it. */
  stale: { actors: Set<string>; server: boolean };
  /** Reads of actors that were begun, and the last one of each actor whose answer is waited for. */
  reads: number;
  reading: Map<string, number>;
  /** Messages folded. */
  count: number;
  /** A snapshot that is not complete yet. */
  arriving: { actors: Map<string, Actor>; types: Map<ScriptType, ScriptTypeStatus>; jobs: Map<string, LiveJob> } | undefined;
}

export function initial(): State {
  return {
    ready: false, snapshots: 0, past: false, actors: new Map(), types: new Map(), jobs: new Map(), ended: new Map(), events: [], dependencies: new Map(), usage: new Map(), memory: new Map(),
    reloads: new Map(), stale: { actors: new Set(), server: false }, reads: 0, reading: new Map(), count: 0, arriving: undefined,
  };
}

/** Who hears of each event that is folded, with the job as it was before. */
export interface Listener {
  event(event: Event, before: LiveJob | undefined, after: LiveJob | undefined): void;
}

/** Folds one message into the state. */
export function fold(state: State, message: WatchEventsResponse, listener?: Listener): void {
  state.count += 1;
  const { item } = message;
  if (item.case === "snapshotItem") {
    state.arriving ??= { actors: new Map(), types: new Map(), jobs: new Map() };
    const part = item.value.item;
    if (part.case === "actor") state.arriving.actors.set(part.value.actorId, part.value);
    else if (part.case === "scriptType") state.arriving.types.set(part.value.scriptType, part.value);
    else if (part.case === "job") state.arriving.jobs.set(part.value.jobId, liveJob(part.value));
  } else if (item.case === "bookmark" && item.value.kind === Bookmark_Kind.SNAPSHOT_END) {
    // A watch that goes on has no snapshot, and what is known stands. A snapshot has at least the script types.
    if (state.arriving) Object.assign(state, state.arriving, { snapshots: state.snapshots + 1, reading: new Map() });
    state.arriving = undefined;
    state.ready = true;
  } else if (item.case === "event") {
    foldEvent(state, item.value, listener);
  } else if (item.case === "usage") {
    state.usage = new Map(Object.entries(item.value.actors));
    state.memory = new Map([...state.usage].map(([id, { memoryBytes }]) => [id, [...(state.memory.get(id) ?? []), Number(memoryBytes)].slice(-MOST_SAMPLES)]));
  }
}

/** Notes jobs that had ended before the page was opened, from past events, the newest first. */
export function foldPast(state: State, events: readonly Event[]): void {
  const past = new Map<string, LiveJob>();
  for (const event of events) {
    if (event.detail.case !== "jobStateChange" || !ended(event.detail.value.newState)) continue;
    if (past.size >= MOST_ENDED - state.ended.size) break;
    if (!past.has(event.jobId) && !state.jobs.has(event.jobId) && !state.ended.has(event.jobId)) past.set(event.jobId, changedJob(undefined, event));
  }
  state.ended = new Map([...[...past].reverse(), ...state.ended]);
}

/** Forgets the part of a snapshot that broke off: it comes again as a whole. */
export function lost(state: State): void {
  state.arriving = undefined;
}

function foldEvent(state: State, event: Event, listener?: Listener): void {
  state.events.push(event);
  if (state.events.length > MOST_EVENTS * 1.25) state.events.splice(0, state.events.length - MOST_EVENTS);
  const isJob = event.type === Event_Type.JOB_STATE_CHANGED || event.type === Event_Type.JOB_DELETED;
  const before = isJob ? state.jobs.get(event.jobId) : undefined;
  if (isJob) foldJob(state, event, before);
  else if (event.actorId !== "") foldActor(state, event);
  foldQueue(state, event);
  foldServer(state, event);
  const after = isJob ? (state.jobs.get(event.jobId) ?? state.ended.get(event.jobId)) : undefined;
  listener?.event(event, before, after);
}

function foldJob(state: State, event: Event, before: LiveJob | undefined): void {
  if (event.type === Event_Type.JOB_DELETED) {
    state.jobs.delete(event.jobId);
    state.ended.delete(event.jobId);
    return;
  }
  if (event.detail.case !== "jobStateChange") return;
  const job = changedJob(before ?? state.ended.get(event.jobId), event);
  if (ended(job.state)) {
    state.jobs.delete(job.id);
    state.ended.delete(job.id);
    state.ended.set(job.id, job);
    if (state.ended.size > MOST_ENDED) state.ended.delete(state.ended.keys().next().value!);
  } else {
    state.ended.delete(job.id);
    state.jobs.set(job.id, job);
  }
}

/** A job after a change of its state, of which the event tells. */
export function changedJob(before: LiveJob | undefined, event: Event): LiveJob {
  const time = ms(event.time) ?? 0;
  const change = event.detail.case === "jobStateChange" ? event.detail.value : undefined;
  const state = change?.newState ?? Job_State.UNSPECIFIED;
  const running = state === Job_State.RUNNING;
  const attempt = change?.attempt ?? before?.attempt ?? 0;
  const waits = state === Job_State.QUEUED || state === Job_State.SCHEDULED || state === Job_State.BLOCKED;
  return {
    id: event.jobId,
    type: event.scriptType || (before?.type ?? 0),
    queue: nameOf(event.queue, event.scriptType) || (before?.queue ?? ""),
    state,
    actor: event.actorId || (before?.actor ?? ""),
    attempt,
    created: before?.created ?? time,
    since: time,
    started: running ? time : before?.started,
    finished: ended(state) ? time : undefined,
    next: state === before?.state ? before.next : undefined,
    error: change?.error ? { kind: change.error.kind, message: change.error.message } : waits || running ? undefined : before?.error,
    spec: before?.spec,
  };
}

function foldActor(state: State, event: Event): void {
  const actor = state.actors.get(event.actorId);
  switch (event.type) {
    case Event_Type.ACTOR_DELETED:
      state.actors.delete(event.actorId);
      state.stale.actors.delete(event.actorId);
      state.reading.delete(event.actorId);
      return;
    case Event_Type.ACTOR_STATE_CHANGED:
      if (actor && event.detail.case === "actorStateChange") {
        const { newState, desiredState, pid } = event.detail.value;
        const next = { ...actor, state: newState, desiredState, ...(event.time && { stateTime: event.time }), statusMessage: "" };
        if (pid === undefined) delete next.pid;
        else next.pid = pid;
        state.actors.set(actor.actorId, next);
      }
      // When the process was started, and why it is so, is said by the actor alone.
      state.stale.actors.add(event.actorId);
      return;
    case Event_Type.PING_OK:
    case Event_Type.PING_FAILED:
      if (actor && event.detail.case === "ping") state.actors.set(actor.actorId, { ...actor, lastPing: event.detail.value });
      return;
    case Event_Type.HEALTH_CHANGED:
      if (actor && event.detail.case === "health") {
        const { newHealth, consecutiveFailures } = event.detail.value;
        state.actors.set(actor.actorId, { ...actor, health: newHealth, consecutivePingFailures: consecutiveFailures });
      }
      return;
    case Event_Type.ACTOR_CREATED:
    case Event_Type.ACTOR_UPDATED:
    case Event_Type.ACTOR_EXITED:
    case Event_Type.ACTOR_RESTARTED:
      state.stale.actors.add(event.actorId);
      return;
    default:
  }
}

function foldQueue(state: State, event: Event): void {
  const type = state.types.get(event.scriptType);
  if (!type) return;
  const set = (changes: Partial<ScriptTypeStatus>): void => {
    state.types.set(event.scriptType, { ...type, ...changes });
  };
  if (event.type === Event_Type.QUEUE_PAUSED) {
    set({ paused: true, pauseReason: event.cause?.reason ?? "", ...(event.time && { pauseTime: event.time }) });
  } else if (event.type === Event_Type.QUEUE_RESUMED) {
    set({ paused: false, pauseReason: "" });
  } else if (event.type === Event_Type.SCALING_DECIDED && event.detail.case === "scalingDecision") {
    set({ lastScalingDecision: event.detail.value, desiredReplicas: event.detail.value.desiredReplicas });
  }
}

function foldServer(state: State, event: Event): void {
  switch (event.type) {
    case Event_Type.DEPENDENCY_DOWN:
    case Event_Type.DEPENDENCY_UP:
      if (event.detail.case === "dependency") state.dependencies.set(event.detail.value.name, event.detail.value);
      return;
    case Event_Type.SERVER_STARTED:
    case Event_Type.SERVER_DRAINING:
      state.stale.server = true;
      return;
    case Event_Type.SERVER_RELOAD_FAILED:
    case Event_Type.SERVER_RELOADED:
      if (event.detail.case !== "reload") return;
      if (event.type === Event_Type.SERVER_RELOADED) state.reloads.delete(event.detail.value.subject);
      else state.reloads.set(event.detail.value.subject, event);
      state.stale.server = true;
      return;
    default:
  }
}

/** Begins to read all stale actors; gives their ids, and the number of the read for its answers. */
export function beginRead(state: State): { ids: string[]; read: number } {
  const ids = [...state.stale.actors];
  state.stale.actors.clear();
  state.reads += 1;
  for (const id of ids) state.reading.set(id, state.reads);
  return { ids, read: state.reads };
}

/**
 * Puts an actor that was read into the state; one that is gone is removed. An answer that comes after that of a later read counts for
 * nothing, nor does one that comes after the actor was deleted, or after a snapshot: it says how the actor was before.
 */
export function putActor(state: State, actorId: string, actor: Actor | undefined, read: number): void {
  if (state.reading.get(actorId) !== read) return;
  state.reading.delete(actorId);
  if (actor) state.actors.set(actorId, actor);
  else state.actors.delete(actorId);
}

/** The numbers of one queue. */
export interface Depth {
  queued: number;
  running: number;
  delayed: number;
  /** When the oldest of the queued jobs was accepted; 0 without any. */
  oldest: number;
}

/** Counts the jobs of each queue. */
export function depths(state: State): Map<ScriptType, Depth> {
  const all = new Map<ScriptType, Depth>();
  for (const type of state.types.keys()) all.set(type, { queued: 0, running: 0, delayed: 0, oldest: 0 });
  for (const job of state.jobs.values()) {
    let depth = all.get(job.type);
    if (!depth) all.set(job.type, (depth = { queued: 0, running: 0, delayed: 0, oldest: 0 }));
    if (job.state === Job_State.RUNNING) depth.running += 1;
    else if (job.state === Job_State.QUEUED) {
      depth.queued += 1;
      if (depth.oldest === 0 || job.since < depth.oldest) depth.oldest = job.since;
    } else depth.delayed += 1;
  }
  return all;
}

/** How many jobs each actor runs. */
export function inFlight(state: State): Map<string, number> {
  const all = new Map<string, number>();
  for (const job of state.jobs.values()) {
    if (job.state === Job_State.RUNNING) all.set(job.actor, (all.get(job.actor) ?? 0) + 1);
  }
  return all;
}

/** Whether an actor is meant to run and does not. */
export function inTrouble(actor: Actor): boolean {
  return actor.state === Actor_State.CRASH_LOOP || actor.state === Actor_State.FAILED;
}
