/** The settings of a queue as a form, and back. Only what was changed is sent. */
import { create, toJson, type MessageInitShape } from "@bufbuild/protobuf";
import { DurationSchema, FieldMaskSchema, type Duration } from "@bufbuild/protobuf/wkt";
import { ScalingPolicy_Mode, ScriptTypeSettingsSchema, type ScriptTypeSettings } from "hero-supervisor/web";
import { commands, type Command } from "../commands";
import { spanMs } from "../format";
import type { QueueRef } from "../queueref";
import { T } from "../texts";

/** What the form has: texts as they are typed; empty is the default. */
export interface Draft {
  mode: string;
  minReplicas: string;
  maxReplicas: string;
  targetJobs: string;
  maxQueueAge: string;
  scaleInDelay: string;
  queueLimit: string;
  runTimeout: string;
  queueTimeout: string;
  resultTtl: string;
  maxAttempts: string;
  idleAfter: string;
  priorityAgeing: string;
}

/** What was typed and not saved, by queue: it stays while somebody signs in again or looks at something else. */
export const typed = new Map<QueueRef, Partial<Draft>>();

/** Leaves nothing that was typed to whoever signs in next. */
export function forgetTyped(): void {
  typed.clear();
  sessionStorage.clear();
}

const text = (value: number | undefined): string => (value === undefined ? "" : String(value));

/** A span as it is typed: `90s`, `5m`, `24h`. */
export function spanText(duration: Duration | undefined): string {
  const millis = spanMs(duration);
  if (millis === undefined) return "";
  for (const [unit, size] of [["d", 86_400_000], ["h", 3_600_000], ["m", 60_000], ["s", 1000]] as const) {
    if (millis >= size && millis % size === 0) return `${millis / size}${unit}`;
  }
  return `${millis}ms`;
}

/** Reads `90s`, `1.5h`, `500ms`, `2m 30s`; undefined if it is none. */
export function parseSpan(typed: string): Duration | undefined {
  const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 };
  let rest = typed.trim();
  let millis = 0;
  while (rest !== "") {
    const part = /^(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)\s*/.exec(rest);
    if (!part) return undefined;
    millis += Number(part[1]) * units[part[2]!]!;
    rest = rest.slice(part[0].length);
  }
  if (typed.trim() === "") return undefined;
  return create(DurationSchema, { seconds: BigInt(Math.floor(millis / 1000)), nanos: Math.round((millis % 1000) * 1e6) });
}

export function settingsOf(settings: ScriptTypeSettings | undefined): Draft {
  const { scalingPolicy: scaling, jobDefaults: jobs, healthPolicy: health } = settings ?? {};
  return {
    mode: scaling?.mode === ScalingPolicy_Mode.AUTO ? "auto" : "fixed",
    minReplicas: text(scaling?.minReplicas),
    maxReplicas: text(scaling?.maxReplicas),
    targetJobs: text(scaling?.targetJobsPerActor),
    maxQueueAge: spanText(scaling?.maxQueueAge),
    scaleInDelay: spanText(scaling?.scaleInDelay),
    queueLimit: text(settings?.maxQueueDepth),
    runTimeout: spanText(jobs?.runTimeout),
    queueTimeout: spanText(jobs?.queueTimeout),
    resultTtl: spanText(jobs?.resultTtl),
    maxAttempts: text(jobs?.retryPolicy?.maxAttempts),
    idleAfter: spanText(health?.idleAfter),
    priorityAgeing: spanText(settings?.priorityAgeing),
  };
}

/** The fields of the API, by those of the form. */
const PATHS: Record<keyof Draft, string> = {
  mode: "scaling_policy.mode", minReplicas: "scaling_policy.min_replicas", maxReplicas: "scaling_policy.max_replicas",
  targetJobs: "scaling_policy.target_jobs_per_actor", maxQueueAge: "scaling_policy.max_queue_age",
  scaleInDelay: "scaling_policy.scale_in_delay", queueLimit: "max_queue_depth", runTimeout: "job_defaults.run_timeout",
  queueTimeout: "job_defaults.queue_timeout", resultTtl: "job_defaults.result_ttl",
  maxAttempts: "job_defaults.retry_policy.max_attempts", idleAfter: "health_policy.idle_after",
  priorityAgeing: "priority_ageing",
};

export interface Parsed {
  settings: MessageInitShape<typeof ScriptTypeSettingsSchema>;
  paths: string[];
  wrong: Partial<Record<keyof Draft, string>>;
}

/** Reads the changed fields; a field that is empty gets its default. */
export function parseSettings(draft: Draft, changed: (keyof Draft)[]): Parsed {
  const wrong: Parsed["wrong"] = {};
  const number = (key: keyof Draft): { [name: string]: number } => {
    if (!changed.includes(key) || draft[key].trim() === "") return {};
    if (!/^\d+$/.test(draft[key].trim())) wrong[key] = T.notANumber;
    return { [FIELD[key]!]: Number(draft[key]) };
  };
  const duration = (key: keyof Draft): { [name: string]: Duration } => {
    if (!changed.includes(key) || draft[key].trim() === "") return {};
    const parsed = parseSpan(draft[key]);
    if (!parsed) wrong[key] = T.notASpan;
    return parsed ? { [FIELD[key]!]: parsed } : {};
  };
  const settings: Parsed["settings"] = {
    scalingPolicy: {
      ...(changed.includes("mode") && { mode: draft.mode === "auto" ? ScalingPolicy_Mode.AUTO : ScalingPolicy_Mode.FIXED }),
      ...number("minReplicas"), ...number("maxReplicas"), ...number("targetJobs"), ...duration("maxQueueAge"), ...duration("scaleInDelay"),
    },
    healthPolicy: { ...duration("idleAfter") },
    jobDefaults: { ...duration("runTimeout"), ...duration("queueTimeout"), ...duration("resultTtl"), retryPolicy: { ...number("maxAttempts") } },
    ...number("queueLimit"), ...duration("priorityAgeing"),
  };
  return { settings, paths: changed.map((key) => PATHS[key]), wrong };
}

/** The names of fields in the generated code. */
const FIELD: Partial<Record<keyof Draft, string>> = {
  minReplicas: "minReplicas", maxReplicas: "maxReplicas", targetJobs: "targetJobsPerActor", maxQueueAge: "maxQueueAge",
  scaleInDelay: "scaleInDelay", queueLimit: "maxQueueDepth", runTimeout: "runTimeout", queueTimeout: "queueTimeout",
  resultTtl: "resultTtl", maxAttempts: "maxAttempts", idleAfter: "idleAfter", priorityAgeing: "priorityAgeing",
};

/** The fields of the form that a server has refused, by those of the API: `settings.scaling_policy.max_replicas`. */
export function refusedFields(fields: Readonly<Record<string, string>>): Partial<Record<keyof Draft, string>> {
  const keys = Object.keys(PATHS) as (keyof Draft)[];
  const refused: Partial<Record<keyof Draft, string>> = {};
  for (const [path, text] of Object.entries(fields)) {
    const key = keys.find((one) => path === PATHS[one] || path === `settings.${PATHS[one]}`);
    if (key) refused[key] = text;
  }
  return refused;
}

/** The options of the command line, by the fields of the form. */
const OPTIONS: Record<keyof Draft, string> = {
  mode: "mode", minReplicas: "min", maxReplicas: "max", targetJobs: "target", maxQueueAge: "max-queue-age", scaleInDelay: "scale-in-delay",
  queueLimit: "queue-limit", runTimeout: "run-timeout", queueTimeout: "queue-timeout", resultTtl: "result-ttl", maxAttempts: "max-attempts",
  idleAfter: "idle-after", priorityAgeing: "priority-ageing",
};

/** The same change for a terminal. */
export function settingsLine(origin: string, queue: QueueRef, draft: Draft, changed: (keyof Draft)[]): Command {
  const { settings, paths } = parseSettings(draft, changed);
  const message = create(ScriptTypeSettingsSchema, settings);
  const words = changed.flatMap((key) => (draft[key].trim() === "" ? ["--clear", OPTIONS[key]] : [`--${OPTIONS[key]}`, draft[key].trim().replace(/ /g, "")]));
  const mask = toJson(FieldMaskSchema, create(FieldMaskSchema, { paths }));
  return commands.changeSettings(origin, queue, toJson(ScriptTypeSettingsSchema, message), String(mask), words);
}
