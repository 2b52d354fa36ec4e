import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Event_Severity, Event_Topic, type Event } from "hero-supervisor/web";
import { ms, severity, topic, type Tone } from "../format";
import { refine, route } from "../router";
import * as session from "../session";
import { onEvent, state, tick } from "../store/live";
import { T } from "../texts";
import { ActorLink, Clock, Empty, Heading, JobLink, Pill, Plain, QueueLink } from "../ui/basics";
import { VirtualTable, type Column } from "../ui/table";

const TOPICS = [Event_Topic.ACTOR, Event_Topic.HEALTH, Event_Topic.JOB, Event_Topic.SCALING, Event_Topic.QUEUE, Event_Topic.SERVER];
const SEVERITIES = [Event_Severity.INFO, Event_Severity.WARNING, Event_Severity.ERROR];
/** Older events that are read at once. */
const PAGE = 500;

export function Events() {
  tick.value;
  const paused = useSignal<readonly Event[] | undefined>(undefined);
  const older = useSignal<readonly Event[]>([]);
  const token = useSignal<string | undefined>("");
  const reading = useSignal(false);
  const search = useSignal("");
  const missed = useSignal(0);
  const { query } = route.value;
  const topics = TOPICS.filter((one) => (query["topic"] ?? "").split(",").includes(topic(one)));
  const least = SEVERITIES.find((one) => severity(one) === query["severity"]);
  useEffect(() => {
    older.value = [];
    token.value = "";
  }, [query["topic"], query["severity"]]);
  useEffect(() => onEvent(() => (missed.value += paused.value ? 1 : 0)), []);
  const live = paused.value ?? state.events;
  const known = new Set(live.map((event) => event.eventId));
  const rows = [...live].reverse().concat(older.value.filter((event) => !known.has(event.eventId))).filter((event) =>
    (topics.length === 0 || topics.includes(event.topic))
    && (least === undefined || event.severity >= least)
    && (search.value === "" || `${event.message} ${event.actorId} ${event.jobId}`.toLowerCase().includes(search.value.toLowerCase())));
  const more = async (): Promise<void> => {
    if (reading.value || token.value === undefined) return;
    reading.value = true;
    try {
      const answer = await session.client.value!.calls.listEvents({ topics, minSeverity: least ?? Event_Severity.UNSPECIFIED, pageSize: PAGE, pageToken: token.value });
      older.value = [...older.value, ...answer.events];
      token.value = answer.nextPageToken === "" ? undefined : answer.nextPageToken;
    } catch {
      token.value = undefined;
    } finally {
      reading.value = false;
    }
  };
  const toggle = (one: Event_Topic): void => {
    const next = topics.includes(one) ? topics.filter((other) => other !== one) : [...topics, one];
    refine({ topic: next.map(topic).join(",") });
  };
  return (
    <div class="fill">
      <Heading title={T.events} sub={paused.value ? T.pausedEvents(missed.value) : T.eventsSub}>
        <button type="button" aria-pressed={paused.value !== undefined} onClick={() => { paused.value = paused.value ? undefined : [...state.events]; missed.value = 0; }}>
          {paused.value ? T.goOn : T.pauseEvents}
        </button>
      </Heading>
      <div class="filters row wrap">
        <input type="search" aria-label={T.searchEvents} placeholder={T.searchEvents} value={search} onInput={(event) => (search.value = event.currentTarget.value)} />
        {TOPICS.map((one) => <button type="button" key={one} class="chip-button" aria-pressed={topics.includes(one)} onClick={() => toggle(one)}>{topic(one)}</button>)}
        <span class="sep" aria-hidden="true" />
        {SEVERITIES.map((one) => <button type="button" key={one} class="chip-button" aria-pressed={least === one} onClick={() => refine({ severity: least === one ? "" : severity(one) })}>{T.atLeast(severity(one))}</button>)}
      </div>
      {rows.length === 0 && token.value === undefined ? <Empty title={T.noEvents}>{T.noEventsMore}</Empty> : (
        <VirtualTable name={T.events} rows={rows} columns={COLUMNS} id={(event) => event.eventId} more={token.value === undefined ? undefined : () => void more()} />
      )}
    </div>
  );
}

const TONES: Partial<Record<Event_Severity, Tone>> = { [Event_Severity.WARNING]: "warn", [Event_Severity.ERROR]: "bad", [Event_Severity.INFO]: "busy" };

const COLUMNS: Column<Event>[] = [
  { title: T.col.time, width: "7rem", cell: (event) => <Clock time={ms(event.time)} /> },
  { title: T.col.severity, width: "6.8rem", cell: (event) => <Pill tone={TONES[event.severity] ?? "calm"}>{severity(event.severity)}</Pill> },
  { title: T.col.topic, width: "5rem", wide: true, cell: (event) => topic(event.topic) },
  { title: T.col.message, width: "minmax(12rem, 2fr)", cell: (event) => <span class="ellipsis" title={event.message}><Plain text={event.message} /></span> },
  { title: T.col.subject, width: "minmax(8rem, 12rem)", cell: (event) => event.jobId !== "" ? <JobLink id={event.jobId} /> : event.actorId !== "" ? <ActorLink id={event.actorId} /> : event.queue !== "" || event.scriptType ? <QueueLink queue={event.queue || event.scriptType} /> : <span class="muted">{T.none}</span> },
  { title: T.col.cause, width: "minmax(6rem, 10rem)", wide: true, cell: (event) => <span class="ellipsis muted" title={event.cause?.reason}><Plain text={[event.cause?.identity, event.cause?.reason].filter((text) => text).join(": ")} /></span> },
];
