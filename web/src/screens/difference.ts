/** In what two definitions of an actor differ, field by field. */
import { toJson } from "@bufbuild/protobuf";
import { ActorConfigSchema, type ActorConfig } from "hero-supervisor/web";
import { T } from "../texts";
import type { Change } from "../ui/diff";

type Value = ReturnType<typeof toJson<typeof ActorConfigSchema>> | undefined;

/** The changes from one definition to the other, as far as both show their values. */
export function differences(from: ActorConfig, to: ActorConfig): Change[] {
  // Which values are secret needs no restart.
  const json = (config: ActorConfig): Value => toJson(ActorConfigSchema, { ...config, secretEnv: [] });
  const changes: Change[] = [];
  compare("", json(from), json(to), changes);
  return changes;
}

function compare(path: string, from: unknown, to: unknown, changes: Change[]): void {
  if (JSON.stringify(from) === JSON.stringify(to)) return;
  if (isObject(from ?? to) && isObject(to ?? from)) {
    const [old, now] = [(from ?? {}) as Record<string, unknown>, (to ?? {}) as Record<string, unknown>];
    for (const name of [...new Set([...Object.keys(old), ...Object.keys(now)])].sort()) {
      compare(path === "" ? name : `${path}.${name}`, old[name], now[name], changes);
    }
  } else changes.push({ name: path, from: text(from), to: text(to) });
}

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);

function text(value: unknown): string {
  if (value === undefined) return T.none;
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The fields of the API that differ. Names of variables whose values stay belong to the environment. */
export function changedPaths(from: ActorConfig, to: ActorConfig): string[] {
  const [old, now] = [toJson(ActorConfigSchema, from), toJson(ActorConfigSchema, to)] as [Value, Value] as [Record<string, unknown>, Record<string, unknown>];
  const changed = ActorConfigSchema.fields.filter(({ jsonName }) => JSON.stringify(old[jsonName]) !== JSON.stringify(now[jsonName]));
  return [...new Set(changed.map(({ name }) => (name === "env_names" ? "env" : name)))];
}

/** Whether a field that changes has what stands for a secret: it would take the place of the secret. */
export function isMasked(config: ActorConfig, paths: readonly string[]): boolean {
  const texts: Record<string, string[]> = { args: config.args, env: Object.values(config.env), health_check: config.healthCheck.split(" ") };
  return paths.some((path) => texts[path]?.some((text) => text.includes("***")));
}
