import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { Event_Topic, parseError, ScalingPolicy_Mode, type Event, type ScriptType, type ScriptTypeStatus } from "hero-supervisor/web";
import { createQueue, deleteQueue, origin, pauseQueue, purgeQueue, resumeQueue, scale } from "../actions";
import { ALL_TYPES, count, ms, rate, scriptType, shortSpan, span, spanMs, typeOf, typeWord } from "../format";
import { isAt, nameOf, queueOf, queueTitle, queueWord, type QueueRef } from "../queueref";
import { href } from "../router";
import * as session from "../session";
import { depths } from "../store/fold";
import { now, series, state, tick } from "../store/live";
import { actorsAt, areMore, depthOf, missing, MOST, named, readQueue, useNamed, useQueue } from "../store/queues";
import { points } from "../store/series";
import { T } from "../texts";
import { ActorLink, ActorPill, Ago, Card, Clock, Empty, Facts, Field, Heading, Pill, Plain } from "../ui/basics";
import { Chart } from "../ui/charts";
import { Diff } from "../ui/diff";
import { act, ask, failureText, notice } from "../ui/dialog";
import { parseSettings, refusedFields, settingsLine, settingsOf, typed, type Draft } from "./settings";

const RANGES = [300, 900, 1800] as const;
const POINTS = 180;
/** Scaling decisions that are shown. */
const MOST_DECISIONS = 8;
/** Actors that are listed; the others are counted. */
const MOST_ACTORS = 12;

export function Queues() {
  tick.value;
  useNamed();
  const depth = depths(state);
  return (
    <>
      <Heading title={T.queues} sub={T.queuesSub} />
      <div class="cards">
        {ALL_TYPES.filter((type) => state.types.has(type)).map((type) => {
          const one = depth.get(type);
          const rates = series.rates(type, now());
          return (
            <Card key={type} title={scriptType(type)} side={state.types.get(type)?.paused ? <Pill tone="warn">{T.pausedPill}</Pill> : <Pill tone="ok">{T.open}</Pill>}>
              <Facts facts={[[T.queued, count(one?.queued ?? 0)], [T.running, count(one?.running ?? 0)], [T.delayed, count(one?.delayed ?? 0)], [T.perSecond, T.inOut(rate(rates.in), rate(rates.out))]]} />
              <p class="row end"><a class="button" href={href(["queue", typeWord(type)])}>{T.open2(scriptType(type))}</a></p>
            </Card>
          );
        })}
        {[...named.value.values()].map((queue) => (
          <Card key={queue.queue} title={queue.queue} side={queue.status?.paused ? <Pill tone="warn">{T.pausedPill}</Pill> : <Pill tone="ok">{T.open}</Pill>}>
            <Facts facts={[[T.queueType, scriptType(queue.scriptType)], [T.queued, count(queue.jobsQueued)], [T.running, count(queue.jobsRunning)], [T.delayed, count(queue.jobsDelayed)]]} />
            <p class="row end"><a class="button" href={href(["queue", queue.queue])}>{T.open2(queue.queue)}</a></p>
          </Card>
        ))}
      </div>
      {areMore.value && <p class="muted">{T.moreQueues(MOST)}</p>}
      {session.may("CreateQueue") && <NewQueue />}
    </>
  );
}

function NewQueue() {
  const name = useSignal("");
  const type = useSignal(typeWord(ALL_TYPES[0]!));
  return (
    <Card title={T.newQueue}>
      <form class="row wrap" onSubmit={(event) => {
        event.preventDefault();
        if (name.value.trim() !== "") createQueue(name.value.trim(), typeOf(type.value)!, () => (name.value = ""));
      }}>
        <label class="row"><span>{T.queueName}</span><input value={name} onInput={(event) => (name.value = event.currentTarget.value)} placeholder="python-gpu" /></label>
        <label class="row"><span>{T.queueType}</span>
          <select value={type} onChange={(event) => (type.value = event.currentTarget.value)}>
            {ALL_TYPES.map((one) => <option key={one} value={typeWord(one)}>{scriptType(one)}</option>)}
          </select>
        </label>
        <button type="submit" disabled={name.value.trim() === ""}>{T.createQueue}</button>
      </form>
    </Card>
  );
}

/** The page of a queue that was created by name. */
function NamedQueue({ name }: { name: string }) {
  tick.value;
  useQueue(name);
  const queue = named.value.get(name);
  if (missing.value.has(name)) return <Empty title={T.noQueue(name)}><a href={href(["queues"])}>{T.queues}</a></Empty>;
  if (!queue?.status) return <p class="muted pad" role="status">{T.reading}</p>;
  const { status } = queue;
  const depth = depthOf(name);
  return (
    <>
      <QueueHeading queue={name} status={status}>
        {session.may("DeleteQueue") && <button type="button" class="danger" onClick={() => deleteQueue(name)}>{T.deleteQueue}</button>}
      </QueueHeading>
      <div class="tiles">
        <Tile name={T.queued} value={count(queue.jobsQueued)} more={depth?.oldest ? T.oldestIs(shortSpan(now() - depth.oldest)) : T.nobodyWaits} />
        <Tile name={T.running} value={count(queue.jobsRunning)} more={T.delayedToo(queue.jobsDelayed)} />
        <Tile name={T.perSecond} value={`${rate(status.submittedPerSecond)} → ${rate(status.finishedPerSecond)}`} more={T.inThenOut} />
        <Tile name={T.queueType} value={scriptType(queue.scriptType)} more={T.onActors(actorsAt(name))} />
      </div>
      <p class="row end"><a class="button" href={href(["jobs"], { queue: name })}>{T.seeJobs}</a></p>
      <div class="halves">
        <Actors key={name} queue={name} type={queue.scriptType} status={status} />
        <Decisions queue={name} />
      </div>
      <Settings key={name} queue={name} />
    </>
  );
}

function QueueHeading({ queue, status, children }: { queue: QueueRef; status: ScriptTypeStatus; children?: ComponentChildren }) {
  return (
    <Heading
      title={T.queueTitle(queueTitle(queue))}
      sub={status.paused ? <>{T.pausedBy} <Plain text={status.pauseReason || T.noReason} />, <Ago time={ms(status.pauseTime)} /></> : T.queueSub}
    >
      {session.may("PauseQueue") && (status.paused
        ? <button type="button" class="primary" onClick={() => resumeQueue(queue)}>{T.resume}</button>
        : <button type="button" onClick={() => pauseQueue(queue)}>{T.pause}</button>)}
      {session.may("PurgeQueue") && <button type="button" class="danger" onClick={() => void purgeQueue(queue)}>{T.purgeButton}</button>}
      {children}
    </Heading>
  );
}

export function Queue({ word }: { word: string }) {
  const queue = queueOf(word);
  return typeof queue === "string" ? <NamedQueue key={queue} name={queue} /> : <DefaultQueue word={word} />;
}

function DefaultQueue({ word }: { word: string }) {
  tick.value;
  const range = useSignal<number>(RANGES[0]);
  const type = typeOf(word);
  const status = type && state.types.get(type);
  if (!type || !status) return <Empty title={T.noQueue(word)}><a href={href(["queues"])}>{T.queues}</a></Empty>;
  const depth = depths(state).get(type);
  const seconds = series.last(type, now(), range.value);
  const joined = points(seconds, POINTS);
  const start = Math.floor(now() / 1000) - range.value + 1;
  const times = joined.map(({ index }) => start + index);
  const waits = series.waits(type, now(), range.value);
  const rates = series.rates(type, now());
  return (
    <>
      <QueueHeading queue={type} status={status} />
      <div class="tiles">
        <Tile name={T.queued} value={count(depth?.queued ?? 0)} more={depth?.oldest ? T.oldestIs(shortSpan(now() - depth.oldest)) : T.nobodyWaits} />
        <Tile name={T.running} value={count(depth?.running ?? 0)} more={T.delayedToo(depth?.delayed ?? 0)} />
        <Tile name={T.perSecond} value={`${rate(rates.in)} → ${rate(rates.out)}`} more={T.inThenOut} />
        <Tile name={T.waitMedian} value={waits ? span(waits.p50) : T.none} more={waits ? T.percentiles(span(waits.p95), span(waits.p99)) : T.noWaits} />
      </div>
      <div class="row end segmented" role="group" aria-label={T.range}>
        {RANGES.map((one) => (
          <button type="button" key={one} aria-pressed={range.value === one} onClick={() => (range.value = one)}>{T.minutes(one / 60)}</button>
        ))}
      </div>
      <div class="halves">
        <Card title={T.depth}>
          <Chart name={T.depth} times={times} format={count} whole lines={[
            { name: T.queued, color: "accent", values: joined.map(({ second }) => second?.queued ?? null), fill: true },
            { name: T.running, color: "ok", values: joined.map(({ second }) => second?.running ?? null) },
          ]} />
        </Card>
        <Card title={T.waits}>
          <Chart name={T.waits} times={times} format={span} lines={[
            { name: T.median, color: "accent", values: joined.map(({ second }) => middle(second?.waits, 0.5)) },
            { name: T.p95, color: "warn", values: joined.map(({ second }) => middle(second?.waits, 0.95)) },
          ]} />
        </Card>
      </div>
      <div class="halves">
        <Actors queue={type} type={type} status={status} />
        <Decisions queue={type} />
      </div>
      <Settings key={type} queue={type} />
    </>
  );
}

function Tile({ name, value, more }: { name: string; value: string; more: string }) {
  return <div class="tile"><span class="tile-name">{name}</span><strong class="num">{value}</strong><span class="muted">{more}</span></div>;
}

function middle(waits: number[] | undefined, part: number): number | null {
  if (!waits || waits.length === 0) return null;
  const sorted = [...waits].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)] ?? null;
}

function Actors({ queue, type, status }: { queue: QueueRef; type: ScriptType; status: ScriptTypeStatus }) {
  tick.value;
  const actors = [...state.actors.values()].filter((actor) => isAt(actor, queue));
  const wanted = useSignal(String(status.desiredReplicas ?? actors.length));
  const auto = status.settings?.scalingPolicy?.mode === ScalingPolicy_Mode.AUTO;
  const replicas = Number(wanted.value);
  const fits = /^\d+$/.test(wanted.value) && replicas <= 1000;
  return (
    <Card title={T.actors} side={<Pill tone="calm">{auto ? T.autoScaling : T.fixedScaling}</Pill>}>
      {actors.length === 0 ? <Empty title={T.noActors}>{T.noActorsQueue}</Empty> : (
        <ul class="plain-list tight">{actors.slice(0, MOST_ACTORS).map((actor) => (
          <li key={actor.actorId} class="row between"><ActorLink id={actor.actorId} /><ActorPill state={actor.state} /></li>
        ))}
        {actors.length > MOST_ACTORS && <li><a href={href(["actors"], { type: typeWord(type) })}>{T.more(actors.length - MOST_ACTORS)}</a></li>}</ul>
      )}
      {session.may("ScaleActors") && <form class="row top-gap" onSubmit={(event) => { event.preventDefault(); if (fits) scale(queue, replicas); }}>
        <label class="row"><span>{T.replicas}</span>
          <input class="short" inputMode="numeric" value={wanted} onInput={(event) => (wanted.value = event.currentTarget.value)} aria-invalid={!fits} />
        </label>
        <button type="submit" disabled={!fits}>{T.scale}</button>
      </form>}
    </Card>
  );
}

function Decisions({ queue }: { queue: QueueRef }) {
  tick.value;
  const past = useSignal<readonly Event[]>([]);
  useEffect(() => {
    past.value = [];
    const request = { topics: [Event_Topic.SCALING], queues: [queueWord(queue)], pageSize: MOST_DECISIONS };
    void session.client.value!.calls.listEvents(request).then((answer) => (past.value = answer.events), () => undefined);
  }, [queue]);
  const known = new Map([...past.value].reverse().concat(state.events).map((event) => [event.eventId, event]));
  const all = [...known.values()].flatMap((event) =>
    nameOf(event.queue, event.scriptType) === queueWord(queue) && event.detail.case === "scalingDecision" ? [{ id: event.eventId, ...event.detail.value }] : []).slice(-MOST_DECISIONS).reverse();
  return (
    <Card title={T.decisions}>
      {all.length === 0 ? <Empty title={T.noDecisions}>{T.noDecisionsMore}</Empty> : (
        <ul class="plain-list tight">{all.map((one) => (
          <li key={one.id}>
            <div class="row between"><strong class="num">{one.currentReplicas} → {one.desiredReplicas}</strong><span class="muted"><Clock time={ms(one.time)} /></span></div>
            <div class="muted"><Plain text={one.reason} /> {T.decisionInputs(one.jobsQueued, one.jobsRunning, span(spanMs(one.oldestQueuedAge) ?? 0))}</div>
          </li>
        ))}</ul>
      )}
    </Card>
  );
}

/** Reads the settings of a queue with all that belongs to it; no event tells of changed settings. */
async function readStatus(queue: QueueRef): Promise<ScriptTypeStatus | undefined> {
  if (typeof queue === "string") return (await readQueue(queue))?.status;
  const { status } = await session.client.value!.calls.getScriptType({ scriptType: queue });
  if (status) state.types.set(queue, status);
  return status;
}

function Settings({ queue }: { queue: QueueRef }) {
  const before = useSignal<Draft | undefined>(undefined);
  const draft = useSignal<Draft | undefined>(undefined);
  const errors = useSignal<Record<string, string>>({});
  const read = async (): Promise<void> => {
    const status = await readStatus(queue);
    before.value = settingsOf(status?.settings);
    draft.value = { ...before.value, ...typed.get(queue) };
  };
  const set = (changes: Partial<Draft>): void => {
    typed.set(queue, { ...typed.get(queue), ...changes });
    draft.value = { ...draft.value!, ...changes };
  };
  const forget = (): void => {
    typed.delete(queue);
    draft.value = before.value;
    errors.value = {};
  };
  useEffect(() => {
    void read().catch((error: unknown) => (errors.value = { "": failureText(error) }));
  }, [queue]);
  const now = draft.value;
  const old = before.value;
  if (!now || !old) return <Card title={T.settings}><p class="muted">{errors.value[""] ?? T.reading}</p></Card>;
  const changed = (Object.keys(now) as (keyof Draft)[]).filter((key) => now[key] !== old[key]);
  const save = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const { settings, paths, wrong } = parseSettings(now, changed);
    errors.value = wrong;
    if (Object.keys(wrong).length > 0) return;
    const { calls } = session.client.value!;
    const request = { settings, updateMask: { paths } };
    const update = (asked: typeof request, validateOnly = false): Promise<unknown> =>
      typeof queue === "string" ? calls.updateQueue({ queue, ...asked, validateOnly }) : calls.updateScriptType({ scriptType: queue, ...asked, validateOnly });
    try {
      await update(request, true);
    } catch (error) {
      const refused = refusedFields(parseError(error).fields);
      errors.value = refused;
      if (Object.keys(refused).length === 0) notice(failureText(error), true);
      return;
    }
    const back = parseSettings(old, changed);
    const change = async (to: typeof request): Promise<string> => {
      await update(to);
      typed.delete(queue);
      await read();
      return T.settingsSaved(queueTitle(queue));
    };
    ask({
      title: T.settingsTitle(queueTitle(queue)),
      says: T.settingsSays(changed.map((key) => T.settingsChange(T.settingNames[key], old[key] || T.default, now[key] || T.default)).join("; ")),
      button: T.save,
      command: () => settingsLine(origin(), queue, now, changed),
      run: () => change(request),
      undo: { label: T.undo, run: () => void act(() => change({ ...request, settings: back.settings, updateMask: { paths: back.paths } })) },
    });
  };
  return (
    <Card title={T.settings} side={<span class="muted">{T.settingsSub}</span>}>
      <form onSubmit={(event) => void save(event)}>
        <div class="form-grid">
          {(Object.keys(now) as (keyof Draft)[]).map((key) => (
            <Field key={key} label={T.settingNames[key]} hint={T.settingHints[key]} error={errors.value[key]}>
              {key === "mode" ? (
                <select value={now.mode} onChange={(event) => set({ mode: event.currentTarget.value })}>
                  <option value="fixed">{T.fixedScaling}</option><option value="auto">{T.autoScaling}</option>
                </select>
              ) : (
                <input value={now[key]} placeholder={T.default} onInput={(event) => set({ [key]: event.currentTarget.value })} />
              )}
            </Field>
          ))}
        </div>
        {changed.length > 0 && <Diff changes={changed.map((key) => ({ name: T.settingNames[key], from: old[key] || T.default, to: now[key] || T.default }))} />}
        {session.may(typeof queue === "string" ? "UpdateQueue" : "UpdateScriptType") && <div class="row end">
          <button type="button" disabled={changed.length === 0} onClick={forget}>{T.reset}</button>
          <button type="submit" class="primary" disabled={changed.length === 0}>{T.save}</button>
        </div>}
      </form>
    </Card>
  );
}
