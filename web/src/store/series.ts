/** What happened in each second of the last half hour, by queue: for charts, rates and percentiles. */
import { Event_Type, Job_State, type Event, type ScriptType } from "hero-supervisor/web";
import { ended, ms } from "../format";
import type { Listener } from "./fold";
import type { LiveJob } from "./job";

/** Seconds that are kept. */
export const KEPT = 1800;
/** Waits kept of one second. */
const MOST_WAITS = 64;

/** What happened to a queue in one second. */
export interface Second {
  submitted: number;
  finished: number;
  failed: number;
  /** Milliseconds that jobs had waited when they were started. */
  waits: number[];
  /** Most jobs that waited and ran in it. */
  queued: number;
  running: number;
}

const none = (): Second => ({ submitted: 0, finished: 0, failed: 0, waits: [], queued: 0, running: 0 });

/** Change of the numbers of a queue by one event. */
interface Step {
  queued: number;
  running: number;
}

export class Series implements Listener {
  /** The numbers of now, as events change them. */
  readonly #now = new Map<ScriptType, Step>();
  readonly #types = new Map<ScriptType, Map<number, Second>>();

  /** Follows an event as it happens. */
  event(event: Event, before: LiveJob | undefined): void {
    this.#count(event, before);
    const step = this.#now.get(event.scriptType);
    if (!step || event.detail.case !== "jobStateChange") return;
    const { newState } = event.detail.value;
    step.queued += Number(newState === Job_State.QUEUED) - Number(before?.state === Job_State.QUEUED);
    step.running += Number(newState === Job_State.RUNNING) - Number(before?.state === Job_State.RUNNING);
    this.#most(event.scriptType, Math.floor((ms(event.time) ?? 0) / 1000), step);
  }

  #count(event: Event, before: LiveJob | undefined): void {
    if (event.type !== Event_Type.JOB_STATE_CHANGED || event.detail.case !== "jobStateChange") return;
    const time = ms(event.time) ?? 0;
    const second = this.#at(event.scriptType, Math.floor(time / 1000));
    const { newState, oldState } = event.detail.value;
    if (oldState === Job_State.UNSPECIFIED) second.submitted += 1;
    if (ended(newState)) second.finished += 1;
    if (newState === Job_State.FAILED) second.failed += 1;
    if (newState === Job_State.RUNNING && before?.state === Job_State.QUEUED && second.waits.length < MOST_WAITS) {
      second.waits.push(Math.max(0, time - before.since));
    }
  }

  /** Notes the numbers of a queue as they are in a second. */
  sample(type: ScriptType, second: number, queued: number, running: number): void {
    this.#now.set(type, { queued, running });
    this.#most(type, second, { queued, running });
  }

  #most(type: ScriptType, second: number, { queued, running }: Step): void {
    const slot = this.#at(type, second);
    slot.queued = Math.max(slot.queued, queued);
    slot.running = Math.max(slot.running, running);
  }

  /**
   * Fills in what was before the page was opened, from past events, the newest first, and the numbers at their end: each event
   * is undone to have the numbers before it. Gives the first second that is known.
   */
  backfill(events: Event[], now: number, depth: ReadonlyMap<ScriptType, Step>): void {
    const at = new Map<ScriptType, Step>();
    for (const [type, { queued, running }] of depth) at.set(type, { queued, running });
    const filled = new Map<ScriptType, number>();
    const started = new Map<string, number>();
    const fill = (type: ScriptType, until: number): void => {
      const step = at.get(type);
      for (let second = filled.get(type) ?? Math.floor(now / 1000); step && second >= until; second -= 1) {
        this.#most(type, second, step);
        filled.set(type, second - 1);
      }
    };
    for (const event of events) {
      if (event.detail.case !== "jobStateChange") continue;
      const time = ms(event.time) ?? 0;
      fill(event.scriptType, Math.floor(time / 1000));
      const { oldState, newState } = event.detail.value;
      const step = at.get(event.scriptType);
      if (step) {
        step.queued += Number(oldState === Job_State.QUEUED) - Number(newState === Job_State.QUEUED);
        step.running += Number(oldState === Job_State.RUNNING) - Number(newState === Job_State.RUNNING);
        this.#most(event.scriptType, Math.floor(time / 1000), step);
      }
      if (newState === Job_State.RUNNING) started.set(event.jobId, time);
      this.#count(event, undefined);
      const until = started.get(event.jobId);
      if (newState === Job_State.QUEUED && until !== undefined) {
        const { waits } = this.#at(event.scriptType, Math.floor(until / 1000));
        if (waits.length < MOST_WAITS) waits.push(until - time);
        started.delete(event.jobId);
      }
    }
    const first = ms(events.at(-1)?.time) ?? now;
    for (const type of at.keys()) fill(type, Math.max(Math.floor(first / 1000), Math.floor(now / 1000) - KEPT));
  }

  /** The seconds of a queue up to `now`, the oldest first; undefined where nothing is known. */
  last(type: ScriptType, now: number, seconds: number): (Second | undefined)[] {
    const end = Math.floor(now / 1000);
    const known = this.#types.get(type);
    return Array.from({ length: seconds }, (_, index) => known?.get(end - seconds + 1 + index));
  }

  /** Submitted, finished and failed jobs a second, over the last `seconds`. */
  rates(type: ScriptType, now: number, seconds = 30): { in: number; out: number; failed: number } {
    const sum = { in: 0, out: 0, failed: 0 };
    for (const second of this.last(type, now, seconds)) {
      sum.in += second?.submitted ?? 0;
      sum.out += second?.finished ?? 0;
      sum.failed += second?.failed ?? 0;
    }
    return { in: sum.in / seconds, out: sum.out / seconds, failed: sum.failed / seconds };
  }

  /** Percentiles of the waits of the last `seconds`; undefined without any. */
  waits(type: ScriptType, now: number, seconds: number): { p50: number; p95: number; p99: number } | undefined {
    const all = this.last(type, now, seconds).flatMap((second) => second?.waits ?? []).sort((a, b) => a - b);
    if (all.length === 0) return undefined;
    const rank = (part: number): number => all[Math.min(all.length - 1, Math.ceil(all.length * part) - 1)]!;
    return { p50: rank(0.5), p95: rank(0.95), p99: rank(0.99) };
  }

  /** Forgets what is too old. */
  trim(now: number): void {
    const oldest = Math.floor(now / 1000) - KEPT;
    for (const seconds of this.#types.values()) {
      for (const second of seconds.keys()) if (second < oldest) seconds.delete(second);
    }
  }

  #at(type: ScriptType, second: number): Second {
    let seconds = this.#types.get(type);
    if (!seconds) this.#types.set(type, (seconds = new Map()));
    let found = seconds.get(second);
    if (!found) seconds.set(second, (found = none()));
    return found;
  }
}

/** Joins neighbouring seconds, so that a chart has at most `most` points; the depth of a point is the most of its seconds. */
export function points(seconds: (Second | undefined)[], most: number): { index: number; second: Second | undefined }[] {
  const step = Math.max(1, Math.ceil(seconds.length / most));
  const all: { index: number; second: Second | undefined }[] = [];
  for (let start = 0; start < seconds.length; start += step) {
    const some = seconds.slice(start, start + step).filter((second) => second !== undefined);
    const index = Math.min(seconds.length, start + step) - 1;
    if (some.length === 0) {
      all.push({ index, second: undefined });
      continue;
    }
    const joined = none();
    for (const second of some) {
      joined.submitted += second.submitted;
      joined.finished += second.finished;
      joined.failed += second.failed;
      joined.waits.push(...second.waits);
      joined.queued = Math.max(joined.queued, second.queued);
      joined.running = Math.max(joined.running, second.running);
    }
    all.push({ index, second: joined });
  }
  return all;
}
