import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import {
  Actor_DesiredState, Event_Type, Ping_Outcome, RestartPolicy_Mode, type Actor as ActorMessage, type Event, type Job as JobMessage,
} from "hero-supervisor/web";
import { deleteActor, ping, restartActor, startActor, stopActor } from "../actions";
import { actorState, actorTone, ended, ms, scriptType, span, spanMs } from "../format";
import { href } from "../router";
import * as session from "../session";
import { inFlight } from "../store/fold";
import { liveJob, type LiveJob } from "../store/job";
import { now, onEvent, state, tick } from "../store/live";
import { T } from "../texts";
import { ActorPill, Ago, Card, Clock, Code, Empty, Facts, Health, Heading, JobLink, JobPill, Plain } from "../ui/basics";
import { Chart } from "../ui/charts";
import { added, followLog, Log, type LogLine } from "../ui/log";
import { Usage } from "../ui/usage";
import { Definition } from "./definition";

/** Events of an actor that are read for its strip and its pings. */
const HISTORY = 300;
/** Time that the strip shows. */
const STRIP_MS = 60 * 60_000;

export function Actor({ id }: { id: string }) {
  tick.value;
  const past = useSignal<readonly Event[]>([]);
  const jobs = useSignal<readonly JobMessage[]>([]);
  const lines = useSignal<readonly LogLine[]>([]);
  const client = session.client.value!;
  useEffect(() => {
    const stop = new AbortController();
    const { signal } = stop;
    [past.value, jobs.value, lines.value] = [[], [], []];
    void (async () => {
      const all: Event[] = [];
      for await (const event of client.listEvents({ actorIds: [id], pageSize: HISTORY, topics: [1, 2] }, { signal })) if (all.push(event) >= HISTORY) break;
      const known = new Set(past.value.map((event) => event.eventId));
      past.value = [...all.reverse().filter((event) => !known.has(event.eventId)), ...past.value];
    })().catch(() => undefined);
    void client.calls.listJobs({ actorId: id, pageSize: 20 }, { signal }).then((answer) => (jobs.value = answer.jobs), () => undefined);
    void followLog(client, id, signal, (entries, gap) => (lines.value = added(lines.value, entries, gap)));
    const off = onEvent((event) => {
      if (event.actorId === id && event.jobId === "") past.value = [...past.value, event].slice(-HISTORY);
    });
    return () => {
      stop.abort();
      off();
    };
  }, [id, client]);
  const actor = state.actors.get(id);
  if (!actor) return <Empty title={T.noActor(id)}><a href={href(["actors"])}>{T.actors}</a></Empty>;
  const up = actor.desiredState === Actor_DesiredState.UP;
  return (
    <>
      <Heading
        title={<span class="row wrap">{actor.actorId} <ActorPill state={actor.state} /></span>}
        sub={<>{scriptType(actor.config?.scriptType ?? 0)} · {T.onNode} <Plain text={actor.node} /> · {T.inState(actorState(actor.state))} <Ago time={ms(actor.stateTime)} suffix={(text) => T.forSpan(text)} /></>}
      >
        {session.may("StopActor") && (up ? <button type="button" class="danger" onClick={() => stopActor(actor)}>{T.stop}</button>
          : <button type="button" class="primary" onClick={() => startActor(id)}>{T.start}</button>)}
        {session.may("RestartActor") && <button type="button" onClick={() => restartActor(actor)}>{T.restart}</button>}
        {session.may("StopActor") && <button type="button" onClick={() => ping(id)}>{T.ping}</button>}
        {up && session.may("StopActor") && <button type="button" class="danger" onClick={() => stopActor(actor, true)}>{T.kill}</button>}
        {session.may("DeleteActor") && <button type="button" class="danger" onClick={() => deleteActor(actor)}>{T.deleteActor}</button>}
      </Heading>
      {actor.statusMessage !== "" && <p class="note"><Plain text={actor.statusMessage} /></p>}
      <Card title={T.lastHour}><Strip events={past.value} actor={actor} /></Card>
      <Usage id={id} />
      <div class="halves">
        <Card title={T.facts}><ActorFacts actor={actor} /></Card>
        <Card title={T.pings}><Pings events={past.value} actor={actor} /></Card>
      </div>
      <div class="halves">
        <JobsOf id={id} listed={jobs.value} />
        <LastExit actor={actor} />
      </div>
      <Card title={T.log} pad={false}><Log lines={lines.value} empty={T.noActorLog} name={T.log} /></Card>
      <Definition actor={actor} events={past.value} />
    </>
  );
}

/** The states of the last hour, each as long as it was. */
function Strip({ events, actor }: { events: readonly Event[]; actor: ActorMessage }) {
  const end = now();
  const begin = end - STRIP_MS;
  const changes = events.flatMap((event) => {
    const time = ms(event.time);
    return event.detail.case === "actorStateChange" && time !== undefined ? [{ time, from: event.detail.value.oldState, to: event.detail.value.newState }] : [];
  });
  const marks = changes.filter(({ time }) => time >= begin);
  const first = marks[0]?.from ?? actor.state;
  const created = Math.max(begin, ms(actor.createTime) ?? begin);
  const parts = [{ state: first, from: created }, ...marks.map(({ time, to }) => ({ state: to, from: time }))];
  const width = (from: number, to: number): number => Math.max(0.4, ((to - from) / STRIP_MS) * 1000);
  return (
    <div class="strip-box">
      <svg class="strip" viewBox="0 0 1000 22" preserveAspectRatio="none" role="img" aria-label={T.stripLabel(parts.map(({ state: one }) => actorState(one)).join(", "))}>
        <rect class="calm" x="0" y="0" width="1000" height="22" />
        {parts.map(({ state: one, from }, index) => {
          const to = parts[index + 1]?.from ?? end;
          return <rect key={index} class={actorTone(one)} x={((from - begin) / STRIP_MS) * 1000} y="0" width={width(from, to)} height="22"><title>{actorState(one)} {span(to - from)}</title></rect>;
        })}
      </svg>
      <div class="row between muted small-text"><span>{T.hourAgo}</span><span>{T.changesOf(marks.length)}</span><span>{T.now}</span></div>
    </div>
  );
}

function ActorFacts({ actor }: { actor: ActorMessage }) {
  const policy = actor.config?.restartPolicy;
  const window = span(spanMs(policy?.window) ?? 600_000);
  const exits = state.events.filter((event) => event.actorId === actor.actorId && event.type === Event_Type.ACTOR_EXITED
    && event.detail.case === "actorExit" && !event.detail.value.requested && now() - (ms(event.time) ?? 0) < (spanMs(policy?.window) ?? 600_000)).length;
  return <Facts facts={[
    [T.col.health, <Health actor={actor} />],
    [T.pid, actor.pid === undefined ? T.none : String(actor.pid)],
    [T.col.inFlight, String(inFlight(state).get(actor.actorId) ?? 0)],
    [T.col.up, <Ago time={actor.pid === undefined ? undefined : ms(actor.startTime)} suffix={(text) => text} />],
    [T.lastJob, <Ago time={ms(actor.lastJobTime)} />],
    [T.col.restarts, String(actor.restartCount)],
    [T.restartPolicy, policy?.mode === RestartPolicy_Mode.NEVER ? T.neverRestarts : T.restartsOf(exits, policy?.maxRestarts ?? 10, window)],
    [T.drainTimeout, span(spanMs(actor.config?.drainTimeout) ?? 30_000)],
    [T.managedBy, actor.managedBy === 2 ? T.byScaler : T.byUser],
  ]} />;
}

function Pings({ events, actor }: { events: readonly Event[]; actor: ActorMessage }) {
  const pings = events.flatMap((event) => {
    const time = ms(event.time);
    return event.detail.case === "ping" && event.type !== Event_Type.PING_SENT && time !== undefined ? [{ time, trip: spanMs(event.detail.value.roundTrip) }] : [];
  });
  const last = actor.lastPing;
  return (
    <>
      {pings.length < 2 ? <Empty title={last ? T.onePing(last.outcome === Ping_Outcome.OK ? span(spanMs(last.roundTrip) ?? 0) : T.missed) : T.noPings}>{T.noPingsMore}</Empty> : (
        <Chart name={T.pings} times={pings.map(({ time }) => time / 1000)} format={span} height={150}
          lines={[{ name: T.roundTrip, color: "accent", values: pings.map(({ trip }) => trip ?? null) }]} />
      )}
    </>
  );
}

function JobsOf({ id, listed }: { id: string; listed: readonly JobMessage[] }) {
  const all = new Map<string, LiveJob>(listed.map((job) => [job.jobId, liveJob(job)]));
  for (const job of [...state.ended.values(), ...state.jobs.values()]) if (job.actor === id) all.set(job.id, job);
  const jobs = [...all.values()].sort((a, b) => Number(ended(a.state)) - Number(ended(b.state)) || b.since - a.since).slice(0, 20);
  return (
    <Card title={T.jobs} side={<a href={href(["jobs"], { actor: id })}>{T.all}</a>}>
      {jobs.length === 0 ? <Empty title={T.noJobsOfActor} /> : (
        <ul class="plain-list tight">{jobs.map((job) => (
          <li key={job.id} class="row between"><JobLink id={job.id} /><span class="row"><span class="muted"><Ago time={job.since} /></span><JobPill state={job.state} /></span></li>
        ))}</ul>
      )}
    </Card>
  );
}

function LastExit({ actor }: { actor: ActorMessage }) {
  const exit = actor.lastExit;
  return (
    <Card title={T.lastExit}>
      {!exit ? <Empty title={T.noExit}>{T.noExitMore}</Empty> : (
        <>
          <p><strong>{exit.signal !== undefined ? T.bySignal(exit.signal) : exit.exitCode !== undefined ? T.byExit(exit.exitCode) : T.unknownEnd}</strong> {exit.requested ? T.requested : T.unrequested} · <Clock time={ms(exit.time)} /></p>
          {exit.reason !== "" && <p><Plain text={exit.reason} /></p>}
          {exit.logTail.length > 0 && <Code text={exit.logTail.join("\n")} />}
        </>
      )}
    </Card>
  );
}
