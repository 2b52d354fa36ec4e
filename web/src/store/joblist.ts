/** The jobs that match a filter: pages of a list, kept as it is now by events. */
import { Event_Type, Job_State, type Event, type SupervisorClient } from "hero-supervisor/web";
import { line, typeOf, typeWord } from "../format";
import { changedJob } from "./fold";
import { liveJob, type LiveJob } from "./job";
import { readJob } from "./readjob";

/** What is asked for. It is in the address of the page. */
export interface Filter {
  types: number[];
  states: Job_State[];
  caller: string;
  context: string;
  actor: string;
  id: string;
  labels: Record<string, string>;
  priorities: number[];
  /** Name of a queue; empty for the default queues. */
  queue: string;
}

const STATES = [
  Job_State.BLOCKED, Job_State.SCHEDULED, Job_State.QUEUED, Job_State.RUNNING, Job_State.RETRY_WAIT, Job_State.SUCCEEDED, Job_State.FAILED,
  Job_State.CANCELLED,
];
/** The word of a state in addresses. */
export const stateWord = (state: Job_State): string => (Job_State[state] ?? "").toLowerCase();
export const ALL_STATES: readonly Job_State[] = STATES;

/** A label as it stands in addresses, where a comma parts two of them. */
export const labelWord = (name: string, value: string): string => `${name}=${value}`.replace(/[%,]/g, encodeURIComponent);

/** Reads one of them; undefined if it is none. */
function labelOf(word: string): [string, string] | undefined {
  const pair = word.replace(/%2C|%25/gi, decodeURIComponent);
  const at = pair.indexOf("=");
  return at < 0 ? undefined : [pair.slice(0, at), pair.slice(at + 1)];
}

export function filterOf(query: Readonly<Record<string, string>>): Filter {
  const list = (text: string | undefined): string[] => (text ?? "").split(",").filter((word) => word !== "");
  return {
    types: list(query["type"]).map(typeOf).filter((type) => type !== undefined),
    states: list(query["state"]).map((word) => STATES.find((state) => stateWord(state) === word)).filter((state) => state !== undefined),
    caller: query["caller"] ?? "",
    context: query["context"] ?? "",
    actor: query["actor"] ?? "",
    id: query["id"] ?? "",
    labels: Object.fromEntries(list(query["label"]).map(labelOf).filter((pair) => pair !== undefined)),
    priorities: list(query["priority"]).map(Number).filter((level) => level >= 1 && level <= 5),
    queue: query["queue"] ?? "",
  };
}

export function queryOf(filter: Filter): Record<string, string> {
  return {
    type: filter.types.map(typeWord).join(","),
    state: filter.states.map(stateWord).join(","),
    caller: filter.caller,
    context: filter.context,
    actor: filter.actor,
    id: filter.id,
    label: Object.entries(filter.labels).map(([name, value]) => labelWord(name, value)).join(","),
    priority: filter.priorities.join(","),
    queue: filter.queue,
  };
}

/** Whether a job matches; undefined while what it would be decided by is not known. */
export function matches(job: LiveJob, filter: Filter): boolean | undefined {
  if (filter.queue === "" ? typeOf(job.queue) === undefined : job.queue !== filter.queue) return false;
  // The events of a named queue do not tell the script type.
  if (job.type === 0) return undefined;
  if (filter.types.length > 0 && !filter.types.includes(job.type)) return false;
  if (filter.states.length > 0 && !filter.states.includes(job.state)) return false;
  if (filter.actor !== "" && job.actor !== filter.actor) return false;
  if (filter.id !== "" && !job.id.startsWith(filter.id)) return false;
  const labels = Object.entries(filter.labels);
  if (filter.caller === "" && filter.context === "" && labels.length === 0 && filter.priorities.length === 0) return true;
  if (!job.spec) return undefined;
  const { caller, context, labels: has, priority } = job.spec;
  return (filter.caller === "" || caller === filter.caller)
    && (filter.priorities.length === 0 || filter.priorities.includes(priority))
    && (filter.context === "" || context === filter.context)
    && labels.every(([name, value]) => has[name] === value);
}

/** Jobs on a page of a list; the first one is there at once. */
const [FIRST_PAGE, PAGE] = [200, 1000];
/** Jobs that are kept. */
const MOST = 100_000;

export class JobList {
  readonly #jobs = new Map<string, LiveJob>();
  #rows: LiveJob[] = [];
  #changed = false;
  /** Whether jobs have come or gone, so that the rows are others and not only changed. */
  #moved = false;
  #next: string | undefined = "";
  #loading = false;
  /** Why the list could not be read. */
  failed: unknown;

  constructor(
    private readonly client: SupervisorClient,
    readonly filter: Filter,
    private readonly draw: () => void,
    private readonly known: (id: string) => LiveJob | undefined,
  ) {}

  /** Whether there are more jobs than were read. */
  get more(): boolean {
    return this.#next !== undefined && this.#jobs.size < MOST;
  }

  get loading(): boolean {
    return this.#loading;
  }

  /** The jobs, the newest first. */
  get rows(): readonly LiveJob[] {
    if (this.#moved) this.#rows = [...this.#jobs.values()].sort((a, b) => b.created - a.created || (a.id < b.id ? 1 : -1));
    else if (this.#changed) this.#rows = this.#rows.map((job) => this.#jobs.get(job.id) ?? job);
    this.#moved = this.#changed = false;
    return this.#rows;
  }

  /** Reads the next page. */
  async load(): Promise<void> {
    if (this.#loading || !this.more) return;
    this.#loading = true;
    const { types, states, caller, context, actor, id, labels, priorities, queue } = this.filter;
    try {
      const { jobs, nextPageToken } = await this.client.calls.listJobs({
        scriptTypes: types, states, callerId: caller, contextId: context, actorId: actor, jobIdPrefix: id, labels, priorities, queues: queue === "" ? [] : [queue],
        pageSize: this.#next === "" ? FIRST_PAGE : PAGE, pageToken: this.#next ?? "",
      });
      // What events have told since is newer than the page.
      for (const job of jobs) if (!this.#jobs.has(job.jobId)) this.#jobs.set(job.jobId, liveJob(job));
      this.#next = nextPageToken === "" ? undefined : nextPageToken;
      this.failed = undefined;
    } catch (error) {
      this.failed = error;
      this.#next = undefined;
    } finally {
      this.#loading = false;
      this.#moved = true;
      this.draw();
    }
  }

  /** Follows one event. */
  event(event: Event): void {
    if (event.type === Event_Type.JOB_DELETED) {
      this.#moved = this.#jobs.delete(event.jobId) || this.#moved;
      return;
    }
    if (event.detail.case === "jobUpdate") {
      // The page of before may not have it, since it had another priority.
      void this.#ask(event.jobId);
      return;
    }
    if (event.detail.case !== "jobStateChange") return;
    const before = this.#jobs.get(event.jobId) ?? this.known(event.jobId);
    const isNew = event.detail.value.oldState === Job_State.UNSPECIFIED;
    const job = changedJob(before, event);
    const fits = matches(job, this.filter);
    if (fits === undefined) void this.#ask(job.id);
    else if (!fits) this.#moved = this.#jobs.delete(job.id) || this.#moved;
    // An old job that comes into the filter: when it was accepted is not known from its events alone.
    else if (before || isNew) this.#put(job);
    else void this.#ask(job.id);
  }

  #put(job: LiveJob): void {
    if (this.#jobs.has(job.id)) this.#changed = true;
    else this.#moved = true;
    this.#jobs.set(job.id, job);
    if (this.#jobs.size > MOST) this.#jobs.delete(this.rows.at(-1)?.id ?? "");
  }

  async #ask(jobId: string): Promise<void> {
    try {
      const { job } = await this.client.calls.getJob({ jobId });
      if (!job) return;
      const found = liveJob(job);
      if (matches(found, this.filter)) this.#put(found);
      else this.#moved = this.#jobs.delete(jobId) || this.#moved;
      this.draw();
    } catch {
      // It is gone, or the server is away: then the list is read anew.
    }
  }

  /** Notes what a job says of itself. */
  learn(job: LiveJob): void {
    const known = this.#jobs.get(job.id);
    if (!known) return;
    this.#jobs.set(job.id, { ...known, spec: job.spec, created: job.created });
    if (known.created === job.created) this.#changed = true;
    else this.#moved = true;
  }
}

/** Reads what rows show of a job beside its state, when they are seen: its script, and what its events do not tell. */
export class Peeks {
  readonly #lines = new Map<string, string>();
  readonly #asked = new Set<string>();
  #queue: string[] = [];
  #running = 0;

  constructor(
    private readonly client: SupervisorClient,
    private readonly found: (job: LiveJob) => void,
  ) {}

  line(id: string): string | undefined {
    return this.#lines.get(id);
  }

  /** Asks for the jobs that are seen; those of before are no longer waited for. */
  see(ids: string[]): void {
    this.#queue = ids.filter((id) => !this.#lines.has(id) && !this.#asked.has(id));
    while (this.#running < 4 && this.#queue.length > 0) void this.#work();
  }

  async #work(): Promise<void> {
    this.#running += 1;
    for (let id = this.#queue.shift(); id !== undefined; id = this.#queue.shift()) {
      this.#asked.add(id);
      try {
        const job = await readJob(this.client, id);
        if (!job) continue;
        this.#lines.set(id, line(job.spec?.script ?? "", 120));
        if (this.#lines.size > 3000) this.#lines.delete(this.#lines.keys().next().value!);
        this.found(liveJob(job));
      } catch {
        // The row stays without its script.
      } finally {
        this.#asked.delete(id);
      }
    }
    this.#running -= 1;
  }
}
