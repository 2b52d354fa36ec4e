/** Small parts that every screen has. */
import { useComputed, useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { Job_State } from "hero-supervisor/web";
import { actorState, actorTone, clock, exact, health, jobState, jobTone, plain, shortSpan, shortId, type Tone } from "../format";
import { queueTitle, queueWord, type QueueRef } from "../queueref";
import { href } from "../router";
import { now, tick } from "../store/live";
import { T } from "../texts";
import { Actor_Health, type Actor, type Actor_State } from "hero-supervisor/web";

export function Pill({ tone, children, title }: { tone: Tone; children: ComponentChildren; title?: string }) {
  return <span class={`pill ${tone}`} title={title}>{children}</span>;
}

export const JobPill = ({ state }: { state: Job_State }) => <Pill tone={jobTone(state)}>{jobState(state)}</Pill>;
export const ActorPill = ({ state }: { state: Actor_State }) => <Pill tone={actorTone(state)}>{actorState(state)}</Pill>;

/** The health of an actor as a dot with a word. */
export function Health({ actor }: { actor: Actor }) {
  const tones: Partial<Record<Actor_Health, Tone>> = {
    [Actor_Health.HEALTHY]: "ok", [Actor_Health.DEGRADED]: "warn", [Actor_Health.UNHEALTHY]: "bad",
  };
  return <span class="nowrap"><span class={`dot ${tones[actor.health] ?? "calm"}`} aria-hidden="true" />{health(actor.health)}</span>;
}

/** A time: how long ago, with the exact one to hover and to copy. */
export function Ago({ time, suffix = T.ago }: { time: number | undefined; suffix?: (span: string) => string }) {
  tick.value;
  if (time === undefined || time === 0) return <span class="muted">{T.none}</span>;
  const age = now() - time;
  const text = age < 0 ? T.ahead(shortSpan(-age)) : suffix(shortSpan(age));
  return <time dateTime={exact(time)} title={exact(time)} class="nowrap">{text}</time>;
}

/** A time of day. */
export function Clock({ time }: { time: number | undefined }) {
  if (time === undefined) return <span class="muted">{T.none}</span>;
  return <time dateTime={exact(time)} title={exact(time)} class="nowrap num">{clock(time, now())}</time>;
}

/** A text of somebody else: only ever text. */
export const Plain = ({ text }: { text: string }) => <bdi>{plain(text)}</bdi>;

export function Copy({ text, label, what }: { text: string | (() => string); label?: string; what: string }) {
  const copied = useSignal(false);
  const shown = useComputed(() => (copied.value ? T.copied : (label ?? T.copy)));
  const copy = async (): Promise<void> => {
    await copyText(typeof text === "string" ? text : text());
    copied.value = true;
    setTimeout(() => (copied.value = false), 1500);
  };
  return (
    <button type="button" class="small" onClick={() => void copy()} aria-label={`${shown.value}: ${what}`}>
      <span aria-live="polite">{shown}</span>
    </button>
  );
}

async function copyText(text: string): Promise<void> {
  // Pages without TLS on other machines have no clipboard of their own.
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

export const JobLink = ({ id, whole = false }: { id: string; whole?: boolean }) => (
  <a class="mono" href={href(["job", id])} title={plain(id)}>{plain(whole ? id : shortId(id))}</a>
);
export const ActorLink = ({ id }: { id: string }) =>
  id === "" ? <span class="muted">{T.none}</span> : <a href={href(["actor", id])}>{plain(id)}</a>;
export const QueueLink = ({ queue }: { queue: QueueRef }) => <a href={href(["queue", queueWord(queue)])}>{queueTitle(queue)}</a>;

/** A box with a heading. */
export function Card({ title, side, children, pad = true }: {
  title: string; side?: ComponentChildren; children: ComponentChildren; pad?: boolean;
}) {
  return (
    <section class="card" aria-label={title}>
      <header class="card-head"><h2>{title}</h2>{side && <div class="row">{side}</div>}</header>
      <div class={pad ? "card-body" : ""}>{children}</div>
    </section>
  );
}

/** What stands where nothing is: what to do next. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return <div class="empty"><strong>{title}</strong>{children && <p>{children}</p>}</div>;
}

export function Facts({ facts }: { facts: [string, ComponentChildren][] }) {
  return <dl class="facts">{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

export function Heading({ title, sub, children }: { title: ComponentChildren; sub?: ComponentChildren; children?: ComponentChildren }) {
  return (
    <header class="heading">
      <div><h1 tabIndex={-1}>{title}</h1>{sub && <p class="muted">{sub}</p>}</div>
      {children && <div class="row actions">{children}</div>}
    </header>
  );
}

export function Field({ label, hint, error, children }: { label: string; hint?: string | undefined; error?: string | undefined; children: ComponentChildren }) {
  return (
    <label class={error ? "field wrong" : "field"}>
      <span class="field-label">{label}</span>
      {children}
      {error ? <span class="field-error" role="alert">{error}</span> : hint && <span class="muted small-text">{hint}</span>}
    </label>
  );
}

/** A line of a script or a log, as it is. */
export function Code({ text, ...rest }: { text: string } & Omit<JSX.HTMLAttributes<HTMLPreElement>, "text">) {
  return <pre class="code" tabIndex={0} {...rest}>{plain(text)}</pre>;
}
