/** What is around every screen: the way to the others, the search, and whether what is shown is true now. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { GetServerInfoResponse_Mode, parseError } from "hero-supervisor/web";
import { attention } from "./attention";
import { count, ms, span } from "./format";
import { listen } from "./keys";
import { go, href, route } from "./router";
import * as session from "./session";
import { connection, failure, now, state, tick } from "./store/live";
import { T } from "./texts";
import { nextTheme, theme } from "./theme";
import { Plain } from "./ui/basics";
import { failureText } from "./ui/dialog";

const PLACES = [
  ["", T.overview], ["queues", T.queues], ["jobs", T.jobs], ["actors", T.actors], ["events", T.events], ["run", T.run], ["access", T.access],
] as const;
/** Screens that belong to a place. */
const WITHIN: Record<string, string> = { queue: "queues", job: "jobs", actor: "actors" };

export function Frame({ children }: { children: ComponentChildren }) {
  tick.value;
  const search = useRef<HTMLInputElement>(null);
  const help = useSignal(false);
  useEffect(() => listen({ search: () => search.current?.focus(), help: () => (help.value = true), theme: nextTheme }), []);
  const here = route.value.path[0] ?? "";
  const place = WITHIN[here] ?? here;
  const alarms = state.ready ? attention(state, session.server.value, now()).length : 0;
  useEffect(() => {
    document.title = `${alarms > 0 ? `(${alarms}) ` : ""}${PLACES.find(([name]) => name === place)?.[1] ?? T.overview} · ${T.brand}`;
  }, [alarms, place]);
  return (
    <div class="frame">
      <a class="skip" href="#content" onClick={(event) => { event.preventDefault(); document.querySelector<HTMLElement>("main h1")?.focus(); }}>{T.skip}</a>
      <nav class="rail" aria-label={T.places}>
        <a class="brand" href="#/"><Logo /><span>{T.brand}</span></a>
        {PLACES.filter(([name]) => name !== "run" || session.may("SubmitJob")).map(([name, title]) => (
          <a key={name} href={`#/${name}`} {...(place === name && { "aria-current": "page" as const })}>
            <span>{title}</span>
            {name === "" && alarms > 0 && <span class="badge">{count(alarms)}</span>}
          </a>
        ))}
        <div class="rail-foot">
          <button type="button" class="quiet" onClick={nextTheme}>{T.themes[theme.value]}</button>
          <button type="button" class="quiet" onClick={() => (help.value = true)}>{T.keys}</button>
          {session.server.value && <span class="muted small-text ellipsis" title={session.server.value.node}><Plain text={session.server.value.node} /> · {session.server.value.version}</span>}
        </div>
      </nav>
      <header class="bar">
        <Search input={search} />
        <ConnectionPill />
        <Who />
      </header>
      <main id="content">
        <Banners />
        {children}
      </main>
      {help.value && <Help close={() => (help.value = false)} />}
    </div>
  );
}

function Logo() {
  return (
    <svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
      <rect width="32" height="32" rx="8" class="logo-box" />
      <path d="M9 7v18M23 7v18M9 16h3l2.5-5 3 10 2.5-5h3" class="logo-line" />
    </svg>
  );
}

function ConnectionPill() {
  tick.value;
  const value = connection.value;
  const [tone, text] = value.kind === "live" ? ["ok", T.live]
    : value.kind === "behind" ? ["warn", T.behind(span(value.lag))]
    : value.kind === "away" ? ["bad", T.away(span(Date.now() - value.since))]
    : value.kind === "resting" ? ["calm", T.resting] : ["busy", T.connecting];
  return <span class={`pill ${tone} connection`} role="status" title={T.connectionTitle(state.count)}>{text}</span>;
}

function Who() {
  const identity = session.server.value?.identity;
  if (!identity?.id) return null;
  const ends = ms(identity.notAfter);
  return <a class="chip who" href={href(["access"])} title={ends === undefined ? T.endsNever : T.endsIn(span(ends - now()))}><Plain text={identity.name || identity.id} /> · {identity.roles.join(", ")}</a>;
}

function Search({ input }: { input: { current: HTMLInputElement | null } }) {
  const text = useSignal("");
  const find = async (event: Event): Promise<void> => {
    event.preventDefault();
    const typed = text.value.trim();
    if (typed === "") return;
    const pair = /^(label|caller|context|actor|type|state|priority):(.+)$/.exec(typed);
    if (pair) go(["jobs"], { [pair[1]!]: pair[2]! });
    else if (state.actors.has(typed)) go(["actor", typed]);
    else if (state.jobs.has(typed) || state.ended.has(typed)) go(["job", typed]);
    else {
      try {
        await session.client.value!.calls.getJob({ jobId: typed });
        go(["job", typed]);
      } catch (error) {
        // Whatever it is no id of, it may be the beginning of one.
        go(["jobs"], parseError(error).code === "NOT_FOUND" || parseError(error).code === "INVALID_ARGUMENT" ? { id: typed } : {});
      }
    }
    text.value = "";
    input.current?.blur();
  };
  return (
    <form class="search" role="search" onSubmit={(event) => void find(event)}>
      <input ref={input} type="search" aria-label={T.search} placeholder={T.searchHint} value={text} onInput={(event) => (text.value = event.currentTarget.value)} />
      <kbd aria-hidden="true">/</kbd>
    </form>
  );
}

function Banners() {
  const info = session.server.value;
  const away = connection.value.kind === "away";
  return (
    <>
      {failure.value && <p class="banner bad" role="alert">{T.streamEnded} <Plain text={failureText(failure.value)} /></p>}
      {away && !failure.value && <p class="banner warn" role="alert">{T.awayBanner}</p>}
      {!state.ready && state.types.size > 0 && <p class="banner note" role="status">{T.readingJobs(state.jobs.size)}</p>}
      {info?.insecure && <p class="banner warn">{T.insecureBanner}</p>}
      {info?.mode === GetServerInfoResponse_Mode.DRAINING && <p class="banner warn">{T.draining}</p>}
      {session.newVersion() !== undefined && <p class="banner warn">{T.upgraded(session.newVersion()!)} <a href="" onClick={(event) => { event.preventDefault(); location.reload(); }}>{T.reload}</a></p>}
      {info && info.apiVersion !== "v1" && <p class="banner warn">{T.otherVersion(info.apiVersion)}</p>}
    </>
  );
}

function Help({ close }: { close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby="help" onClose={close}>
      <h2 id="help">{T.keys}</h2>
      <dl class="keys">{T.keyList.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}</dl>
      <form method="dialog" class="row end"><button type="submit">{T.close}</button></form>
    </dialog>
  );
}
