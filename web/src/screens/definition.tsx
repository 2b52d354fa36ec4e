/** The definition of an actor: as it is, what a restart changes, and a form that changes it. */
import { create, fromJsonString, toJson, toJsonString, type JsonValue } from "@bufbuild/protobuf";
import { FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import { useSignal } from "@preact/signals";
import {
  ActorConfigSchema, Event_Type, UpdateActorRequest_Apply, type Actor, type ActorConfig, type Event,
} from "hero-supervisor/web";
import { origin } from "../actions";
import { command } from "../commands";
import { ms, plain } from "../format";
import * as session from "../session";
import { T } from "../texts";
import { Ago, Card, Code, Copy, Field, Plain } from "../ui/basics";
import { Diff } from "../ui/diff";
import { act, ask } from "../ui/dialog";
import { changedPaths, differences, isMasked } from "./difference";

const textOf = (config: ActorConfig): string => toJsonString(ActorConfigSchema, config, { prettySpaces: 2 });
/** Longest wait for the restart, in seconds. */
const WAIT = { seconds: 60n, nanos: 0 };

export function Definition({ actor, events }: { actor: Actor; events: readonly Event[] }) {
  const edited = useSignal<Actor | undefined>(undefined);
  const { config, runningConfig } = actor;
  if (!config) return null;
  const changed = events.findLast((event) => event.type === Event_Type.ACTOR_UPDATED);
  return (
    <Card title={T.config} side={<>
      {session.may("UpdateActor") && !edited.value && <button type="button" class="small" onClick={() => (edited.value = actor)}>{T.changeConfig}</button>}
      <Copy text={() => textOf(config)} what={T.config} />
    </>}>
      <p class="muted">{T.configSub}{changed && <> {T.changedLast} <Ago time={ms(changed.time)} />{changed.cause?.identity && <>, {T.by} <Plain text={changed.cause.identity} /></>}.</>}</p>
      {runningConfig && <Outdated running={runningConfig} defined={config} />}
      {edited.value ? <Edit actor={edited.value} close={() => (edited.value = undefined)} /> : <Code text={textOf(config)} />}
    </Card>
  );
}

/** What a restart changes. */
function Outdated({ running, defined }: { running: ActorConfig; defined: ActorConfig }) {
  const changes = differences(running, defined);
  return (
    <section class="stack top-gap" aria-label={T.outdated}>
      <p class="note">{T.outdatedSays} {changes.length === 0 && T.outdatedHidden}</p>
      {changes.length > 0 && <div><Diff changes={changes} />{defined.envNames.length > 0 && <p class="muted small-text">{T.outdatedMore}</p>}</div>}
    </section>
  );
}

/** A change of the definition that the actor had when the form was opened. */
function Edit({ actor, close }: { actor: Actor; close: () => void }) {
  const before = actor.config!;
  const text = useSignal(textOf(before));
  const now = useSignal(false);
  const parsed = parse(text.value);
  const after = typeof parsed === "string" ? undefined : parsed;
  const paths = after ? changedPaths(before, after) : [];
  const changes = after ? differences(before, after) : [];
  const masked = after && isMasked(after, paths);
  const error = typeof parsed === "string" ? T.notConfig(parsed) : masked ? T.maskedValue : undefined;
  const submit = (event: { preventDefault: () => void }): void => {
    event.preventDefault();
    if (!after || error || paths.length === 0) return;
    const { actorId, etag } = actor;
    const apply = now.value ? UpdateActorRequest_Apply.RESTART : UpdateActorRequest_Apply.NEXT_START;
    const change = async (config: ActorConfig, guard: string): Promise<string> => {
      await session.client.value!.calls.updateActor({ actorId, config, updateMask: { paths }, apply, etag: guard, ...(now.value && { maxWait: WAIT }) });
      return T.configChanged(actorId);
    };
    const back = (): void => void act(() => change(before, ""));
    ask({
      title: T.configTitle(actorId),
      says: <><Diff changes={changes} />{now.value ? T.configNowSays : T.configLaterSays}</>,
      button: T.save,
      command: () => ({ ...command(origin(), "UpdateActor", lineOf(actorId, after, paths, now.value), []), cli: "" }),
      run: async () => {
        const done = await change(after, etag);
        close();
        return done;
      },
      // Values that were not shown cannot be put back.
      undo: paths.includes("env") ? undefined : { label: T.undo, run: back },
    });
  };
  return (
    <form class="stack" onSubmit={submit}>
      <Field label={T.config} hint={T.configHint} error={error}>
        <textarea class="code" rows={18} spellcheck={false} value={text} onInput={(event) => (text.value = event.currentTarget.value)} />
      </Field>
      {changes.length > 0 && <Diff changes={changes} />}
      <label class="check"><input type="checkbox" checked={now} onChange={(event) => (now.value = event.currentTarget.checked)} />{T.configNow}</label>
      <div class="row end">
        <button type="button" onClick={close}>{T.leaveConfig}</button>
        <button type="submit" class="primary" disabled={error !== undefined || paths.length === 0}>{T.save}</button>
      </div>
    </form>
  );
}

/** The definition, or what is wrong with the text. */
function parse(text: string): ActorConfig | string {
  try {
    return fromJsonString(ActorConfigSchema, text);
  } catch (error) {
    return plain((error as Error).message);
  }
}

/** The request in the JSON of the API, with no more of the definition than what changes. */
function lineOf(actorId: string, config: ActorConfig, paths: string[], restart: boolean): unknown {
  const kept = new Set(paths.includes("env") ? [...paths, "env_names"] : paths);
  const json = toJson(ActorConfigSchema, config) as Record<string, JsonValue>;
  const fields = ActorConfigSchema.fields.filter(({ name, jsonName }) => kept.has(name) && jsonName in json);
  const partial = Object.fromEntries(fields.map(({ jsonName }) => [jsonName, json[jsonName]!]));
  const mask = toJson(FieldMaskSchema, create(FieldMaskSchema, { paths }));
  return { actorId, config: partial, updateMask: mask, ...(restart && { apply: "APPLY_RESTART" }) };
}
