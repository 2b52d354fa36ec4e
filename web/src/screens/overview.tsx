import { Dependency_State, type Actor, type Dependency, type Queue, type ScriptType } from "hero-supervisor/web";
import { ActorPill } from "../ui/basics";
import { resumeQueue, startActor, ping } from "../actions";
import { attention, type Item } from "../attention";
import { ALL_TYPES, count, line, rate, scriptType, shortSpan, span, spanMs, typeWord } from "../format";
import { isAt } from "../queueref";
import { href } from "../router";
import * as session from "../session";
import { depths, inFlight, type Depth } from "../store/fold";
import { areMore, MOST, named, useNamed } from "../store/queues";
import { points } from "../store/series";
import { now, series, state, tick } from "../store/live";
import { T } from "../texts";
import { ActorLink, Ago, Card, Empty, Heading, JobLink, JobPill, Pill, Plain, QueueLink } from "../ui/basics";
import { Sparkline } from "../ui/charts";

/** Time that a sparkline shows, in seconds. */
const SPARK_S = 1800;
const SPARK_POINTS = 60;
/** Actors of a queue that have a dot; the others are counted. */
const MOST_DOTS = 16;

export function Overview() {
  tick.value;
  useNamed();
  const depth = depths(state);
  const items = state.ready ? attention(state, session.server.value, now()) : [];
  const types = ALL_TYPES.filter((type) => state.types.has(type));
  return (
    <>
      <Heading title={T.overview} sub={T.overviewSub}>
        {session.may("SubmitJob") && <a class="button primary" href={href(["run"])}>{T.runScript}</a>}
      </Heading>
      <div class="tiles">
        {[...state.dependencies.values()].map((dependency) => <DependencyTile key={dependency.name} dependency={dependency} />)}
        <Numbers depth={depth} />
      </div>
      <Card title={T.needsAttention} side={items.length > 0 && <Pill tone={items[0]!.bad ? "bad" : "warn"}>{count(items.length)}</Pill>}>
        {!state.ready ? <p class="muted">{T.reading}</p> : items.length === 0 ? <Empty title={T.allWell}>{T.allWellMore}</Empty> : <ul class="plain-list">{items.map((item) => <Attention key={JSON.stringify(item, (_, v: unknown) => (typeof v === "number" ? 0 : v))} item={item} />)}</ul>}
      </Card>
      <Card title={T.queues} pad={false}>
        <div class="scroll-x" tabIndex={0} role="region" aria-label={T.queues}>
          <table class="grid-table">
            <thead><tr>{T.queueColumns.map((name, index) => <th key={name} class={index >= 2 && index <= 5 ? "right" : ""}>{name}</th>)}</tr></thead>
            <tbody>{types.map((type) => <QueueRow key={type} type={type} depth={depth.get(type)} />)}{[...named.value.values()].map((queue) => <NamedRow key={queue.queue} queue={queue} />)}</tbody>
          </table>
        </div>
        {areMore.value && <p class="muted pad">{T.moreQueues(MOST)}</p>}
      </Card>
      <div class="halves">
        <ActorsCard />
        <EndedCard />
      </div>
    </>
  );
}

function DependencyTile({ dependency }: { dependency: Dependency }) {
  const up = dependency.state === Dependency_State.UP;
  const latency = spanMs(dependency.latency);
  return (
    <div class={`tile ${up ? "" : "bad"}`}>
      <span class="tile-name"><span class={`dot ${up ? "ok" : dependency.state === Dependency_State.DOWN ? "bad" : "calm"}`} aria-hidden="true" />{T.dependency(dependency.name)}</span>
      <strong>{up ? T.up : dependency.state === Dependency_State.DOWN ? T.down : T.unknown}</strong>
      <span class="muted ellipsis" title={dependency.message}>{up && latency !== undefined ? T.latency(span(latency)) : <Plain text={dependency.message} />}</span>
    </div>
  );
}

function Numbers({ depth }: { depth: Map<ScriptType, Depth> }) {
  const sum = { queued: 0, running: 0, delayed: 0 };
  for (const one of depth.values()) {
    sum.queued += one.queued;
    sum.running += one.running;
    sum.delayed += one.delayed;
  }
  const failed = ALL_TYPES.reduce((all, type) => all + series.rates(type, now(), 600).failed * 600, 0);
  const tiles: [string, number, string, string][] = [
    [T.queued, sum.queued, T.delayedToo(sum.delayed), href(["jobs"], { state: "queued" })],
    [T.running, sum.running, T.onActors(inFlight(state).size), href(["jobs"], { state: "running" })],
    [T.failedLately, failed, T.lastTenMinutes, href(["jobs"], { state: "failed" })],
  ];
  return (
    <>
      {tiles.map(([name, value, more, to]) => (
        <a class="tile" href={to} key={name}>
          <span class="tile-name">{name}</span><strong class="num">{count(value)}</strong><span class="muted">{more}</span>
        </a>
      ))}
    </>
  );
}

function QueueRow({ type, depth }: { type: ScriptType; depth: Depth | undefined }) {
  const status = state.types.get(type);
  const actors = [...state.actors.values()].filter((actor) => isAt(actor, type));
  const rates = series.rates(type, now());
  const curve = points(series.last(type, now(), SPARK_S), SPARK_POINTS).map(({ second }) => second?.finished);
  const oldest = depth?.oldest ? now() - depth.oldest : undefined;
  return (
    <tr>
      <td><QueueLink queue={type} /></td>
      <td>{status?.paused
        ? <Pill tone="warn" title={status.pauseReason}>{T.pausedPill}</Pill>
        : actors.length === 0 ? <Pill tone="calm">{T.noActors}</Pill> : <Pill tone="ok">{T.open}</Pill>}</td>
      <td class="num right"><a href={href(["jobs"], { type: typeWord(type), state: "queued" })}>{count(depth?.queued ?? 0)}</a></td>
      <td class="num right"><a href={href(["jobs"], { type: typeWord(type), state: "running" })}>{count(depth?.running ?? 0)}</a></td>
      <td class="num right">{count(depth?.delayed ?? 0)}</td>
      <td class="num right">{oldest === undefined ? T.none : shortSpan(oldest)}</td>
      <td class="nowrap num">{T.inOut(rate(rates.in), rate(rates.out))}</td>
      <td><Sparkline values={curve} label={T.sparkLabel(scriptType(type))} /></td>
      <td class="nowrap"><Dots actors={actors} type={type} />
      {status?.desiredReplicas !== undefined && status.desiredReplicas !== actors.length && <span class="muted"> {T.wanted(status.desiredReplicas)}</span>}</td>
      <td class="muted small-text sentence">{status?.lastScalingDecision?.reason ? <Plain text={status.lastScalingDecision.reason} /> : T.none}</td>
    </tr>
  );
}

/** The actors of a queue, each as a dot. */
function Dots({ actors, type }: { actors: Actor[]; type: ScriptType }) {
  return (
    <>
      {actors.length === 0 ? T.none : actors.slice(0, MOST_DOTS).map((actor) => (
        <a key={actor.actorId} class="dot-link" href={href(["actor", actor.actorId])} aria-label={T.actorDot(actor.actorId, actor.state, actor.health)} title={T.actorDot(actor.actorId, actor.state, actor.health)}>
          <span class={`dot large ${T.actorTone(actor)}`} />
        </a>
      ))}
      {actors.length > MOST_DOTS && <a href={href(["actors"], { type: typeWord(type) })}>{T.moreDots(actors.length - MOST_DOTS)}</a>}
    </>
  );
}

/** A queue that was created by name, as it was read last. */
function NamedRow({ queue }: { queue: Queue }) {
  const { queue: name, status } = queue;
  const actors = [...state.actors.values()].filter((actor) => isAt(actor, name));
  const oldest = spanMs(status?.oldestQueuedAge);
  return (
    <tr>
      <td><QueueLink queue={name} /> <span class="muted">{T.takes(scriptType(queue.scriptType))}</span></td>
      <td>{status?.paused
        ? <Pill tone="warn" title={status.pauseReason}>{T.pausedPill}</Pill>
        : actors.length === 0 ? <Pill tone="calm">{T.noActors}</Pill> : <Pill tone="ok">{T.open}</Pill>}</td>
      <td class="num right"><a href={href(["jobs"], { queue: name, state: "queued" })}>{count(queue.jobsQueued)}</a></td>
      <td class="num right"><a href={href(["jobs"], { queue: name, state: "running" })}>{count(queue.jobsRunning)}</a></td>
      <td class="num right">{count(queue.jobsDelayed)}</td>
      <td class="num right">{queue.jobsQueued === 0 || oldest === undefined ? T.none : shortSpan(oldest)}</td>
      <td class="nowrap num">{T.inOut(rate(status?.submittedPerSecond ?? 0), rate(status?.finishedPerSecond ?? 0))}</td>
      <td class="muted">{T.none}</td>
      <td class="nowrap"><Dots actors={actors} type={queue.scriptType} />
      {status?.desiredReplicas !== undefined && status.desiredReplicas !== actors.length && <span class="muted"> {T.wanted(status.desiredReplicas)}</span>}</td>
      <td class="muted small-text sentence">{status?.lastScalingDecision?.reason ? <Plain text={status.lastScalingDecision.reason} /> : T.none}</td>
    </tr>
  );
}

function Attention({ item }: { item: Item }) {
  const [title, more, action] = described(item);
  return (
    <li class="attention">
      <span class={`dot ${item.bad ? "bad" : "warn"}`} aria-hidden="true" />
      <div class="grow"><strong>{title}</strong><div class="muted clamp"><Plain text={more} /></div></div>
      {action}
    </li>
  );
}

function described(item: Item) {
  const link = (to: string, text: string) => <a class="button small" href={to}>{text}</a>;
  switch (item.kind) {
    case "dependency": return [T.dependencyDown(T.dependency(item.name)), item.message, link(href(["events"], { topic: "server" }), T.seeEvents)] as const;
    case "crashed": return [T.crashed(item.actor), item.message, <span class="row">{link(href(["actor", item.actor]), T.look)}{session.may("StartActor") && <button type="button" class="small" onClick={() => startActor(item.actor)}>{T.start}</button>}</span>] as const;
    case "unhealthy": return [T.unhealthy(item.actor, item.missed), "", <span class="row">{link(href(["actor", item.actor]), T.look)}{session.may("StopActor") && <button type="button" class="small" onClick={() => ping(item.actor)}>{T.ping}</button>}</span>] as const;
    case "idle": return [T.idle(scriptType(item.type), item.queued), T.idleMore, link(href(["queue", typeWord(item.type)]), T.scale)] as const;
    case "full": return [T.full(scriptType(item.type), item.limit), T.fullMore, link(href(["queue", typeWord(item.type)]), T.look)] as const;
    case "reload": return [T.reloadFailed(item.subject), item.message, link(href(["events"], { topic: "server" }), T.seeEvents)] as const;
    case "paused": return [T.pausedTitle(scriptType(item.type), item.queued), item.reason, session.may("ResumeQueue") ? <button type="button" class="small" onClick={() => resumeQueue(item.type)}>{T.resume}</button> : undefined] as const;
    case "old": return [T.old(scriptType(item.type), span(item.age)), T.oldMore(item.queued), link(href(["queue", typeWord(item.type)]), T.look)] as const;
    case "failures": return [T.failures(item.failed, scriptType(item.type), item.name), line(item.latest), link(href(["jobs"], { type: typeWord(item.type), state: "failed", view: "groups" }), T.seeJobs)] as const;
    case "certificate": return [T.certificate(span(item.left)), T.certificateMore, link(href(["access"]), T.look)] as const;
  }
}

function ActorsCard() {
  const busy = inFlight(state);
  const actors = [...state.actors.values()].sort((a, b) => a.actorId.localeCompare(b.actorId));
  return (
    <Card title={T.actors} side={<a href={href(["actors"])}>{T.all}</a>}>
      {actors.length === 0 ? <Empty title={T.noActorsYet}>{T.noActorsMore}</Empty> : (
        <ul class="plain-list tight">
          {actors.slice(0, 8).map((actor) => (
            <li key={actor.actorId} class="row between"><ActorLink id={actor.actorId} /><span class="row"><span class="muted">{T.jobsNow(busy.get(actor.actorId) ?? 0)}</span><ActorPill state={actor.state} /></span></li>
          ))}
          {actors.length > 8 && <li class="muted">{T.more(actors.length - 8)}</li>}
        </ul>
      )}
    </Card>
  );
}

function EndedCard() {
  const jobs = [...state.ended.values()].slice(-8).reverse();
  return (
    <Card title={T.endedLately} side={<a href={href(["jobs"])}>{T.all}</a>}>
      {jobs.length > 0 ? (
        <ul class="plain-list tight">{jobs.map((job) => (
          <li key={job.id} class="row between"><JobLink id={job.id} /><span class="row"><span class="muted"><Ago time={job.since} /></span><JobPill state={job.state} /></span></li>
        ))}</ul>
      ) : !state.past ? <p class="muted">{T.reading}</p> : <Empty title={T.nothingEnded}>{T.nothingEndedMore} {session.may("SubmitJob") && <a href={href(["run"])}>{T.runScript}</a>}</Empty>}
    </Card>
  );
}

