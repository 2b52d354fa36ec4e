/** Numbers, times and names as people read them. Pure; nothing here knows the page. */
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import { Actor_Health, Actor_State, Event_Severity, Event_Topic, JobError_Kind, Job_State, ScriptType } from "hero-supervisor/web";

/** Milliseconds since the epoch; undefined without a time. */
export function ms(time: Timestamp | undefined): number | undefined {
  return time && Number(time.seconds) * 1000 + Math.floor(time.nanos / 1e6);
}

/** A span in milliseconds; undefined without one. */
export function spanMs(span: Duration | undefined): number | undefined {
  return span && Number(span.seconds) * 1000 + span.nanos / 1e6;
}

/** A span with two units at most: `850 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function span(millis: number): string {
  const value = Math.max(0, millis);
  if (value < 10 && value > 0) return `${Math.round(value * 10) / 10} ms`;
  if (value < 1000) return `${Math.round(value)} ms`;
  if (value < 59_950) return `${Math.round(value / 100) / 10} s`;
  const seconds = Math.round(value / 1000);
  const parts: [number, string, number, string][] = [
    [86_400, "d", 3600, "h"],
    [3600, "h", 60, "min"],
    [60, "min", 1, "s"],
  ];
  for (const [large, name, small, rest] of parts) {
    if (seconds < large) continue;
    const left = Math.floor((seconds % large) / small);
    return left === 0 ? `${Math.floor(seconds / large)} ${name}` : `${Math.floor(seconds / large)} ${name} ${left} ${rest}`;
  }
  return `${seconds} s`;
}

/** A span for a column: one unit, whole. */
export function shortSpan(millis: number): string {
  const seconds = Math.max(0, Math.floor(millis / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** The time of day with seconds, with the date if that is another day than `now`. */
export function clock(millis: number, now: number): string {
  const time = new Date(millis);
  const two = (n: number): string => String(n).padStart(2, "0");
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  const hours = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  return new Date(now).toDateString() === time.toDateString() ? hours : `${day} ${hours}`;
}

/** The whole time with milliseconds and zone, to hover and to copy. */
export function exact(millis: number): string {
  return new Date(millis).toISOString();
}

/** A count with separators, as `12 345`. */
export function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** Events in a second: `0`, `0.3`, `12`. */
export function rate(perSecond: number): string {
  if (perSecond === 0) return "0";
  return perSecond < 10 ? String(Math.max(0.1, Math.round(perSecond * 10) / 10)) : count(perSecond);
}

/** A size: `0 B`, `1.5 KiB`. */
export function bytes(size: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = size;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : Math.round(value * 10) / 10} ${units[unit]}`;
}

/** Processor time in percent of a core: `0.4 %`, `120 %`; a dash where it is not known. */
export function cpu(millicores: number | undefined): string {
  if (millicores === undefined) return "–";
  return `${millicores < 100 ? millicores / 10 : Math.round(millicores / 10)} %`;
}

/** The memory of an actor; a dash without a process. */
export function memory(usage: { memoryBytes: bigint } | undefined): string {
  return usage ? bytes(Number(usage.memoryBytes)) : "–";
}

/** Characters that would change how a text around them is read: controls, and marks of direction. */
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
/** Escapes of terminals: colours and movements. */
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;

/** A text that cannot disturb the page: without escapes of terminals, and with what is unseen made visible. */
export function plain(text: string): string {
  return text.replace(ESCAPES, "").replace(UNSEEN, (c) => {
    const code = c.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : "\u00b7";
  });
}

/** A text cut to so many characters, on one line. */
export function line(text: string, most = 160): string {
  const first = text.slice(0, most * 4).split(/\r?\n/).map((part) => part.trim()).find((part) => part !== "") ?? "";
  const shown = Array.from(plain(first));
  return shown.length > most ? `${shown.slice(0, most).join("")}…` : shown.join("");
}

/** A long id, by its end: ids of the server begin with the time and differ at the end. */
export function shortId(id: string): string {
  return id.length > 20 ? `…${id.slice(-12)}` : id;
}

/** `STATE_RETRY_WAIT` → `retry wait`: the names of an enum of the API are its keys. */
function words(name: string | undefined): string {
  return (name ?? "unknown").toLowerCase().replace(/_/g, " ");
}

export const jobState = (state: Job_State): string => words(Job_State[state]);
export const actorState = (state: Actor_State): string => words(Actor_State[state]);
export const health = (value: Actor_Health): string => words(Actor_Health[value]);
export const errorKind = (kind: JobError_Kind): string => words(JobError_Kind[kind]);
export const severity = (value: Event_Severity): string => words(Event_Severity[value]);
export const topic = (value: Event_Topic): string => words(Event_Topic[value]);

const TYPES: Partial<Record<ScriptType, string>> = {
  [ScriptType.OSIS]: "OSIS", [ScriptType.SAL]: "SAL", [ScriptType.V]: "V", [ScriptType.PYTHON]: "Python",
};
/** The name of a script type, as people write it. */
export const scriptType = (type: ScriptType): string => TYPES[type] ?? `type ${type}`;
/** The word of a script type in URLs and on the command line. */
export const typeWord = (type: ScriptType): string => (ScriptType[type] ?? String(type)).toLowerCase();
/** The script type of a word; undefined for another word. */
export function typeOf(word: string): ScriptType | undefined {
  return ALL_TYPES.find((type) => typeWord(type) === word.toLowerCase());
}
export const ALL_TYPES: readonly ScriptType[] = [ScriptType.OSIS, ScriptType.SAL, ScriptType.V, ScriptType.PYTHON];

/** The colour of a job's state. */
export function jobTone(state: Job_State): Tone {
  switch (state) {
    case Job_State.SUCCEEDED: return "ok";
    case Job_State.FAILED: return "bad";
    case Job_State.RETRY_WAIT: return "warn";
    case Job_State.RUNNING: return "busy";
    default: return "calm";
  }
}

/** The colour of an actor's state. */
export function actorTone(state: Actor_State): Tone {
  switch (state) {
    case Actor_State.RUNNING: return "ok";
    case Actor_State.CRASH_LOOP:
    case Actor_State.FAILED: return "bad";
    case Actor_State.BACKOFF:
    case Actor_State.BLOCKED:
    case Actor_State.UNKNOWN: return "warn";
    case Actor_State.STARTING:
    case Actor_State.DRAINING:
    case Actor_State.STOPPING: return "busy";
    default: return "calm";
  }
}

export type Tone = "ok" | "bad" | "warn" | "busy" | "calm";

/** Whether a job has ended. */
export function ended(state: Job_State): boolean {
  return state === Job_State.SUCCEEDED || state === Job_State.FAILED || state === Job_State.CANCELLED;
}
