import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { bulk, type Bulk } from "../actions";
import { Event_Topic, type SupervisorClient } from "hero-supervisor/web";
import { ALL_TYPES, count, ended, errorKind, jobState, scriptType, shortSpan, span, typeOf, typeWord } from "../format";
import { groups } from "../groups";
import { go, refine, route } from "../router";
import * as session from "../session";
import type { LiveJob } from "../store/job";
import { ALL_STATES, filterOf, JobList, labelWord, Peeks, queryOf, stateWord, type Filter } from "../store/joblist";
import { now, onEvent, state, tick } from "../store/live";
import { T } from "../texts";
import { ActorLink, Ago, Empty, Heading, JobLink, JobPill, Plain } from "../ui/basics";
import { failureText } from "../ui/dialog";
import { VirtualTable, type Column } from "../ui/table";
import { href } from "../router";
import { Views } from "./views";

/** How long rows are seen before what they show is read. */
const PEEK_MS = 120;

export function Jobs() {
  const filter = useMemo(() => filterOf(route.value.query), [JSON.stringify(route.value.query)]);
  const key = JSON.stringify(filter);
  const drawn = useSignal(0);
  const selected = useSignal<ReadonlySet<string>>(new Set());
  const last = useRef<string>();
  const peekTimer = useRef<ReturnType<typeof setTimeout>>();
  const client = session.client.value!;
  const list = useMemo(
    () => new JobList(client, filter, () => (drawn.value += 1), (id) => state.jobs.get(id) ?? state.ended.get(id)),
    // Events keep it true, also through a restart of the server, unless they had to begin anew.
    [client, key, state.snapshots],
  );
  const peeks = useMemo(() => new Peeks(client, (job) => { list.learn(job); drawn.value += 1; }), [client, list]);
  useEffect(() => {
    selected.value = new Set();
    const off = onEvent((event) => list.event(event));
    void list.load();
    return off;
  }, [list]);
  useEffect(() => followQueue(client, filter.queue, list), [list]);
  tick.value;
  drawn.value;
  const rows = list.rows;
  const grouped = route.value.query["view"] === "groups";
  const chosen = rows.filter((job) => selected.value.has(job.id));
  const select = (id: string, on: boolean, range: boolean): void => {
    const next = new Set(selected.value);
    const from = range && last.current !== undefined ? rows.findIndex((job) => job.id === last.current) : -1;
    const to = rows.findIndex((job) => job.id === id);
    const ids = from < 0 ? [id] : rows.slice(Math.min(from, to), Math.max(from, to) + 1).map((job) => job.id);
    for (const one of ids) on ? next.add(one) : next.delete(one);
    last.current = id;
    selected.value = next;
  };
  return (
    <div class="fill">
      <Heading title={T.jobs} sub={T.jobsCount(rows.length, list.more)}>
        {session.may("SubmitJob") && <a class="button primary" href={href(["run"])}>{T.runScript}</a>}
      </Heading>
      <Filters filter={filter} />
      <div class="row wrap">
        <div class="row segmented" role="group" aria-label={T.views}>
          <button type="button" aria-pressed={!grouped} onClick={() => refine({ view: "" })}>{T.asList}</button>
          <button type="button" aria-pressed={grouped} onClick={() => refine({ view: "groups" })}>{T.asGroups}</button>
        </div>
        <Views query={route.value.query} />
      </div>
      {list.failed !== undefined && <p class="failure" role="alert">{failureText(list.failed)}</p>}
      {grouped ? <Groups rows={rows} more={list.more} /> : rows.length === 0 && !list.loading ? <NoJobs filter={filter} /> : (
        <VirtualTable
          name={T.jobs} rows={rows} columns={columns(peeks)} id={(job) => job.id} open={(job) => go(["job", job.id])}
          selected={selected.value} {...(BULK.some(([, call]) => session.may(call)) && { select })}
          selectAll={(on) => (selected.value = new Set(on ? rows.map((job) => job.id) : []))}
          more={list.more ? () => void list.load() : undefined}
          seen={(seen) => {
            clearTimeout(peekTimer.current);
            peekTimer.current = setTimeout(() => peeks.see(seen.map((job) => job.id)), PEEK_MS);
          }}
        />
      )}
      {chosen.length > 0 && (
        <div class="bulk" role="toolbar" aria-label={T.bulkBar}>
          <strong>{T.selected(chosen.length)}</strong>
          {BULK.filter(([, call]) => session.may(call)).map(([what]) => (
            <button
              type="button" key={what} class={what === "retry" ? "" : "danger"}
              disabled={!chosen.some((job) => fits(what, job))}
              onClick={() => bulk(what, chosen.filter((job) => fits(what, job)), () => (selected.value = new Set()))}
            >
              {T.bulkWord[what]}
            </button>
          ))}
          <button type="button" class="quiet" onClick={() => (selected.value = new Set())}>{T.clearSelection}</button>
        </div>
      )}
    </div>
  );
}

/** Follows the jobs of a named queue, of which the stream of the page does not tell. */
function followQueue(client: SupervisorClient, queue: string, list: JobList): () => void {
  const controller = new AbortController();
  if (queue === "" || typeOf(queue) !== undefined) return () => undefined;
  const follow = async (): Promise<void> => {
    const request = { queues: [queue], topics: [Event_Topic.JOB], includeSnapshot: false };
    for await (const { item } of client.watchEvents(request, { signal: controller.signal })) {
      if (item.case === "event") list.event(item.value);
    }
  };
  // A queue that is not there is told by the list.
  void follow().catch(() => undefined);
  return () => controller.abort();
}

/** What can be done with many jobs, and by which call. */
const BULK: [Bulk, string][] = [["cancel", "CancelJob"], ["retry", "RetryJob"], ["delete", "DeleteJob"]];

function fits(what: Bulk, job: LiveJob): boolean {
  if (what === "cancel") return !ended(job.state);
  return what === "delete" ? ended(job.state) : ended(job.state) && job.finished !== undefined && stateWord(job.state) !== "succeeded";
}

function columns(peeks: Peeks): Column<LiveJob>[] {
  return [
    { title: T.col.state, width: "7.4rem", cell: (job) => <JobPill state={job.state} /> },
    { title: T.col.job, width: "9rem", cell: (job) => <JobLink id={job.id} /> },
    { title: T.col.type, width: "5.4rem", cell: (job) => scriptType(job.type) },
    { title: T.col.script, width: "minmax(8.4rem, 1fr)", cell: (job) => <code class="ellipsis">{job.error ? <span class="bad-text" title={errorKind(job.error.kind)}><Plain text={job.error.message.split("\n")[0] ?? ""} /></span> : (peeks.line(job.id) ?? "")}</code> },
    { title: T.col.caller, width: "6.4rem", wide: true, cell: (job) => job.spec?.caller ? <a class="ellipsis" href={href(["jobs"], { caller: job.spec.caller })}><Plain text={job.spec.caller} /></a> : <span class="muted">{T.none}</span> },
    { title: T.col.labels, width: "7.6rem", wide: true, cell: (job) => <span class="ellipsis">{Object.entries(job.spec?.labels ?? {}).map(([name, value]) => <a class="chip" key={name} href={href(["jobs"], { label: labelWord(name, value) })}><Plain text={`${name}=${value}`} /></a>)}</span> },
    { title: T.col.priority, width: "3.6rem", num: true, wide: true, cell: (job) => (job.spec ? (job.spec.priority === 3 ? <span class="muted">3</span> : <strong>{job.spec.priority}</strong>) : T.none) },
    { title: T.col.attempt, width: "5.4rem", num: true, wide: true, cell: (job) => (job.spec && job.spec.maxAttempts > 1 ? T.ofAttempts(job.attempt, job.spec.maxAttempts) : String(job.attempt)) },
    { title: T.col.wait, width: "5.2rem", num: true, wide: true, cell: (job) => shortWait(job) },
    { title: T.col.run, width: "5.2rem", num: true, cell: (job) => ran(job) },
    { title: T.col.actor, width: "8.8rem", wide: true, cell: (job) => <ActorLink id={job.actor} /> },
    { title: T.col.age, width: "4.4rem", num: true, cell: (job) => <Ago time={job.created} suffix={(text) => text} /> },
  ];
}

/** A span for a column: exact while it is short. */
const brief = (millis: number): string => (millis < 60_000 ? span(millis) : shortSpan(millis));

function shortWait(job: LiveJob): string {
  const until = job.started ?? (ended(job.state) ? job.finished : now());
  return until === undefined ? T.none : brief(Math.max(0, until - job.created));
}

function ran(job: LiveJob): string {
  if (job.started === undefined) return T.none;
  if (job.finished !== undefined) return brief(job.finished - job.started);
  return stateWord(job.state) === "running" ? shortSpan(now() - job.started) : T.none;
}

function Filters({ filter }: { filter: Filter }) {
  const set = (changes: Partial<Filter>): void => refine(queryOf({ ...filter, ...changes }));
  const toggle = <V,>(all: V[], value: V): V[] => (all.includes(value) ? all.filter((one) => one !== value) : [...all, value]);
  const labels = Object.entries(filter.labels);
  const texts: [keyof Filter & ("queue" | "caller" | "context" | "actor" | "id"), string][] = [
    ["queue", T.filterQueue], ["caller", T.filterCaller], ["context", T.filterContext], ["actor", T.filterActor], ["id", T.filterId],
  ];
  return (
    <div class="filters" role="group" aria-label={T.filters}>
      <div class="row wrap">
        {ALL_STATES.map((state) => (
          <button type="button" key={state} class="chip-button" aria-pressed={filter.states.includes(state)} onClick={() => set({ states: toggle(filter.states, state) })}>{jobState(state)}</button>
        ))}
        <span class="sep" aria-hidden="true" />
        {ALL_TYPES.map((type) => (
          <button type="button" key={typeWord(type)} class="chip-button" aria-pressed={filter.types.includes(type)} onClick={() => set({ types: toggle(filter.types, type) })}>{scriptType(type)}</button>
        ))}
        {texts.filter(([name]) => filter[name] !== "").map(([name, label]) => (
          <button type="button" key={name} class="chip-button on" onClick={() => set({ [name]: "" })} title={T.removeFilter(label)}>{label} <Plain text={filter[name]} /> ×</button>
        ))}
        {filter.priorities.length > 0 && (
          <button type="button" class="chip-button on" onClick={() => set({ priorities: [] })} title={T.removeFilter(T.filterNames.priority)}>{T.filterNames.priority} {filter.priorities.join(", ")} ×</button>
        )}
        {labels.map(([name, value]) => (
          <button type="button" key={name} class="chip-button on" title={T.removeFilter(name)}
            onClick={() => set({ labels: Object.fromEntries(labels.filter(([other]) => other !== name)) })}><Plain text={`${name}=${value}`} /> ×</button>
        ))}
        <AddFilter add={(name, value) => set(
          name === "label" ? { labels: { ...filter.labels, [value.slice(0, value.indexOf("="))]: value.slice(value.indexOf("=") + 1) } }
            : name === "priority" ? { priorities: [...new Set([...filter.priorities, Number(value)])].sort() } : { [name]: value },
        )} />
      </div>
    </div>
  );
}

function AddFilter({ add }: { add: (name: string, value: string) => void }) {
  const name = useSignal("caller");
  const value = useSignal("");
  return (
    <form class="row add-filter" onSubmit={(event) => {
      event.preventDefault();
      const fits = name.value === "label" ? value.value.includes("=") : name.value === "priority" ? /^[1-5]$/.test(value.value) : value.value !== "";
      if (fits) { add(name.value, value.value); value.value = ""; }
    }}>
      <select aria-label={T.filterBy} value={name} onChange={(event) => (name.value = event.currentTarget.value)}>
        {(["caller", "context", "actor", "id", "label", "priority", "queue"] as const).map((one) => <option key={one} value={one}>{T.filterNames[one]}</option>)}
      </select>
      <input aria-label={T.filterValue} placeholder={name.value === "label" ? "team=blue" : name.value === "priority" ? "1 – 5" : ""} value={value} onInput={(event) => (value.value = event.currentTarget.value)} />
    </form>
  );
}

/** Jobs that failed in the same way, among those that were read. */
function Groups({ rows, more }: { rows: readonly LiveJob[]; more: boolean }) {
  const all = groups(rows);
  if (all.length === 0) return <Empty title={T.noGroups}>{more ? T.noGroupsMore : ""}</Empty>;
  return (
    <div class="scroll-x card" tabIndex={0} role="region" aria-label={T.asGroups}>
      <table class="grid-table">
        <thead><tr>{T.groupColumns.map((name, index) => <th key={name} class={index === 0 ? "right" : ""}>{name}</th>)}</tr></thead>
        <tbody>{all.map(({ key, type, kind, message, jobs }) => (
          <tr key={key}>
            <td class="num right"><strong>{count(jobs.length)}</strong></td>
            <td>{scriptType(type)}</td>
            <td class="nowrap">{errorKind(kind)}</td>
            <td><code class="clamp"><Plain text={message} /></code></td>
            <td class="nowrap"><Ago time={jobs[0]!.since} /></td>
            <td class="nowrap"><JobLink id={jobs[0]!.id} /></td>
            <td>{session.may("RetryJob") && <button type="button" class="small" onClick={() => bulk("retry", jobs, () => undefined)}>{T.retryAll}</button>}</td>
          </tr>
        ))}</tbody>
      </table>
    </div>
  );
}

function NoJobs({ filter }: { filter: Filter }) {
  const filtered = Object.values(queryOf(filter)).some((value) => value !== "");
  if (filtered) return <Empty title={T.noJobsMatch}><a href={href(["jobs"])}>{T.clearFilters}</a></Empty>;
  return <Empty title={T.noJobs}>{T.noJobsMore} {session.may("SubmitJob") && <a href={href(["run"])}>{T.runScript}</a>}</Empty>;
}
