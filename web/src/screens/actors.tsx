import { useSignal } from "@preact/signals";
import { Actor_DesiredState, type Actor as ActorMessage } from "hero-supervisor/web";
import { restartActor, startActor, stopActor } from "../actions";
import { ALL_TYPES, cpu, memory, ms, plain, scriptType, typeOf, typeWord } from "../format";
import { go, href, refine, route } from "../router";
import * as session from "../session";
import { inFlight } from "../store/fold";
import { state, tick } from "../store/live";
import { T } from "../texts";
import { ActorLink, ActorPill, Ago, Empty, Health, Heading, Plain } from "../ui/basics";
import { Sparkline } from "../ui/charts";
import { VirtualTable, type Column } from "../ui/table";

export function Actors() {
  tick.value;
  const search = useSignal("");
  const type = typeOf(route.value.query["type"] ?? "");
  const node = route.value.query["node"] ?? "";
  const nodes = [...new Set([...state.actors.values()].map((actor) => actor.node))].sort();
  const busy = inFlight(state);
  const all = [...state.actors.values()].sort((a, b) => a.actorId.localeCompare(b.actorId));
  const rows = all.filter((actor) =>
    (!type || actor.config?.scriptType === type)
    && (node === "" || actor.node === node)
    && (search.value === "" || `${actor.actorId} ${actor.node} ${actor.statusMessage}`.toLowerCase().includes(search.value.toLowerCase())));
  const columns: Column<ActorMessage>[] = [
    { title: T.col.actor, width: "minmax(9rem, 1.2fr)", cell: (actor) => <ActorLink id={actor.actorId} /> },
    { title: T.col.state, width: "7.4rem", cell: (actor) => <ActorPill state={actor.state} /> },
    { title: T.col.health, width: "7rem", cell: (actor) => <Health actor={actor} /> },
    { title: T.col.type, width: "5rem", cell: (actor) => scriptType(actor.config?.scriptType ?? 0) },
    { title: T.col.inFlight, width: "4rem", num: true, cell: (actor) => busy.get(actor.actorId) ?? 0 },
    { title: T.col.cpu, width: "4.2rem", num: true, wide: true, cell: (actor) => cpu(state.usage.get(actor.actorId)?.cpuMillicores) },
    { title: T.col.memory, width: "5.8rem", num: true, wide: true, cell: (actor) => memory(state.usage.get(actor.actorId)) },
    { title: T.col.memoryLately, width: "5rem", wide: true, cell: (actor) => <Lately id={actor.actorId} /> },
    { title: T.col.restarts, width: "5.6rem", num: true, wide: true, cell: (actor) => actor.restartCount },
    { title: T.col.up, width: "5rem", num: true, wide: true, cell: (actor) => <Ago time={actor.pid === undefined ? undefined : ms(actor.startTime)} suffix={(text) => text} /> },
    { title: T.col.node, width: "6.4rem", wide: true, cell: (actor) => <span class="ellipsis"><Plain text={actor.node} /></span> },
    { title: T.col.message, width: "minmax(4rem, 1fr)", wide: true, cell: (actor) => <span class="ellipsis muted" title={actor.statusMessage}><Plain text={actor.statusMessage} /></span> },
    ...(session.may("StopActor") ? [{ title: T.col.actions, width: "9.6rem", cell: (actor: ActorMessage) => <RowActions actor={actor} /> }] : []),
  ];
  return (
    <div class="fill">
      <Heading title={T.actors} sub={T.actorsCount(rows.length, all.length)} />
      <div class="filters row wrap">
        <input type="search" aria-label={T.searchActors} placeholder={T.searchActors} value={search} onInput={(event) => (search.value = event.currentTarget.value)} />
        {ALL_TYPES.map((one) => (
          <button type="button" key={one} class="chip-button" aria-pressed={type === one} onClick={() => refine({ type: type === one ? "" : typeWord(one) })}>{scriptType(one)}</button>
        ))}
        {(nodes.length > 1 || node !== "") && (
          <select aria-label={T.onNodeFilter} value={node} onChange={(event) => refine({ node: event.currentTarget.value })}>
            <option value="">{T.allNodes}</option>
            {[...new Set([...nodes, ...(node === "" ? [] : [node])])].map((one) => <option key={one} value={one}>{plain(one)}</option>)}
          </select>
        )}
      </div>
      {rows.length === 0 ? (all.length === 0
        ? <Empty title={T.noActorsYet}>{T.noActorsMore} <a href={href(["queues"])}>{T.queues}</a></Empty>
        : <Empty title={T.noActorsMatch} />) : (
        <VirtualTable name={T.actors} rows={rows} columns={columns} id={(actor) => actor.actorId} open={(actor) => go(["actor", actor.actorId])} />
      )}
    </div>
  );
}

/** The memory of the last ten minutes. */
function Lately({ id }: { id: string }) {
  const samples = state.memory.get(id) ?? [];
  return samples.length < 2 ? <span class="muted">{T.none}</span> : <Sparkline values={samples} label={T.memoryLabel(id)} />;
}

function RowActions({ actor }: { actor: ActorMessage }) {
  const up = actor.desiredState === Actor_DesiredState.UP;
  return (
    <span class="row">
      {up ? <button type="button" class="small" aria-label={`${T.stop}: ${actor.actorId}`} onClick={() => stopActor(actor)}>{T.stop}</button>
        : <button type="button" class="small" aria-label={`${T.start}: ${actor.actorId}`} onClick={() => startActor(actor.actorId)}>{T.start}</button>}
      <button type="button" class="small" aria-label={`${T.restart}: ${actor.actorId}`} onClick={() => restartActor(actor)}>{T.restart}</button>
    </span>
  );
}
