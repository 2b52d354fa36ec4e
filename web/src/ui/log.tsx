/** Lines of a log that grow while they are read. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { LogEntry_Stream, parseError, type LogEntry, type SupervisorClient } from "hero-supervisor/web";
import { clock, ms, plain } from "../format";
import { now } from "../store/live";
import { T } from "../texts";

/** A line, or a gap: so many lines are missing. */
export type LogLine = { entry: LogEntry } | { gap: number };

/** Lines that are kept; older ones leave. */
export const MOST_LINES = 5000;
/** Characters of a line that are shown: longer lines would hold up the browser. */
const MOST_CHARS = 4000;

export function Log({ lines, empty, name }: { lines: readonly LogLine[]; empty: string; name: string }) {
  const box = useRef<HTMLDivElement>(null);
  const follow = useSignal(true);
  const query = useSignal("");
  const found = query.value === ""
    ? lines
    : lines.filter((line) => "entry" in line && line.entry.text.toLowerCase().includes(query.value.toLowerCase()));
  useEffect(() => {
    if (follow.value && box.current) box.current.scrollTop = box.current.scrollHeight;
  });
  const scrolled = (): void => {
    const view = box.current;
    if (view) follow.value = view.scrollHeight - view.scrollTop - view.clientHeight < 24;
  };
  return (
    <div class="log-box">
      <div class="row log-tools">
        <input type="search" placeholder={T.searchLog} aria-label={T.searchLog} value={query} onInput={(event) => (query.value = event.currentTarget.value)} />
        <label class="check"><input type="checkbox" checked={follow} onChange={(event) => (follow.value = event.currentTarget.checked)} />{T.follow}</label>
        <span class="muted small-text">{T.lines(found.length)}</span>
      </div>
      <div class="log" ref={box} onScroll={scrolled} tabIndex={0} role="log" aria-label={name}>
        {found.length === 0 && <p class="muted">{lines.length === 0 ? empty : T.nothingFound}</p>}
        {found.map((line, index) => ("gap" in line ? <div class="gap" key={index}>{T.gap(line.gap)}</div> : <Entry key={index} entry={line.entry} />))}
      </div>
    </div>
  );
}

function Entry({ entry }: { entry: LogEntry }) {
  const time = ms(entry.time);
  const isError = entry.stream === LogEntry_Stream.STDERR;
  const long = entry.text.length > MOST_CHARS;
  return (
    <div class={isError ? "log-line err" : "log-line"}>
      {time !== undefined && <span class="log-time">{clock(time, now())}</span>}
      <span class="log-stream">{isError ? T.stderr : T.stdout}</span>
      <bdi>{plain(entry.text.slice(0, MOST_CHARS))}{long && <em class="muted">{T.cut(entry.text.length)}</em>}</bdi>
    </div>
  );
}

/** Adds lines, and lets the oldest go. */
export function added(lines: readonly LogLine[], entries: readonly LogEntry[], gap: number): LogLine[] {
  const next = [...lines, ...(gap > 0 ? [{ gap }] : []), ...entries.map((entry) => ({ entry }))];
  return next.length > MOST_LINES ? next.slice(-MOST_LINES) : next;
}

/** Time after which a log that broke off is asked for again. */
const AGAIN_MS = 1000;

/** Follows the log of an actor, behind its last line when the connection is lost. */
export async function followLog(
  client: SupervisorClient,
  actorId: string,
  signal: AbortSignal,
  show: (entries: readonly LogEntry[], gap: number) => void,
): Promise<void> {
  let resumeAfter = "";
  while (!signal.aborted) {
    try {
      const request = { actorId, follow: true, tailLines: 200, resumeAfter };
      for await (const { entries, droppedCount, cursor } of client.calls.streamActorLogs(request, { signal })) {
        show(entries, droppedCount);
        resumeAfter = cursor || resumeAfter;
      }
    } catch (error) {
      if (signal.aborted || !parseError(error).lost) return;
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}
