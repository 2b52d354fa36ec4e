/** A server in small: it carries out operations, tells of them by events, and gives a snapshot of itself. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  Actor_DesiredState, Actor_Health, Actor_State, ActorSchema, Bookmark_Kind, Event_Topic, Event_Type, EventSchema, Job_State, JobSchema,
  ScriptType, ScriptTypeStatusSchema, WatchEventsResponseSchema, type Actor, type Event, type Job, type WatchEventsResponse,
} from "hero-supervisor/web";

export const TYPES = [ScriptType.OSIS, ScriptType.PYTHON];

export type Operation =
  | { kind: "submit"; job: number; type: number }
  | { kind: "job"; job: number; to: Job_State; actor: number }
  | { kind: "forget"; job: number }
  | { kind: "create"; actor: number }
  | { kind: "actor"; actor: number; to: Actor_State }
  | { kind: "health"; actor: number; to: Actor_Health }
  | { kind: "remove"; actor: number }
  | { kind: "pause"; type: number; on: boolean };

export class World {
  time = 1_700_000_000_000;
  readonly actors = new Map<string, Actor>();
  readonly jobs = new Map<string, Job>();
  readonly paused = new Set<ScriptType>();
  readonly events: Event[] = [];

  do(operation: Operation): void {
    this.time += 250;
    switch (operation.kind) {
      case "submit": return this.#submit(`j${operation.job}`, TYPES[operation.type]!);
      case "job": return this.#change(`j${operation.job}`, operation.to, `a${operation.actor}`);
      case "forget": return this.#forget(`j${operation.job}`);
      case "create": return this.#create(`a${operation.actor}`);
      case "actor": return this.#actor(`a${operation.actor}`, operation.to);
      case "health": return this.#health(`a${operation.actor}`, operation.to);
      case "remove": return this.#remove(`a${operation.actor}`);
      case "pause": return this.#pause(TYPES[operation.type]!, operation.on);
    }
  }

  snapshot(): WatchEventsResponse[] {
    const item = (value: Parameters<typeof create<typeof WatchEventsResponseSchema>>[1]) => create(WatchEventsResponseSchema, value);
    const open = [...this.jobs.values()].filter((job) => job.state < Job_State.SUCCEEDED);
    return [
      ...TYPES.map((scriptType) => item({ item: { case: "snapshotItem", value: { item: { case: "scriptType", value: create(ScriptTypeStatusSchema, { scriptType, paused: this.paused.has(scriptType) }) } } } })),
      ...[...this.actors.values()].map((value) => item({ item: { case: "snapshotItem", value: { item: { case: "actor", value } } } })),
      ...open.map((value) => item({ item: { case: "snapshotItem", value: { item: { case: "job", value } } } })),
      item({ cursor: "c", item: { case: "bookmark", value: { kind: Bookmark_Kind.SNAPSHOT_END } } }),
    ];
  }

  message(event: Event): WatchEventsResponse {
    return create(WatchEventsResponseSchema, { cursor: event.eventId, item: { case: "event", value: event } });
  }

  #tell(event: Parameters<typeof create<typeof EventSchema>>[1]): void {
    this.events.push(create(EventSchema, { eventId: `e${this.events.length}`, time: timestampFromMs(this.time), ...event }));
  }

  #submit(jobId: string, scriptType: ScriptType): void {
    if (this.jobs.has(jobId)) return;
    this.jobs.set(jobId, create(JobSchema, { jobId, spec: { scriptType }, state: Job_State.QUEUED, createTime: timestampFromMs(this.time) }));
    this.#tell({
      topic: Event_Topic.JOB, type: Event_Type.JOB_STATE_CHANGED, jobId, scriptType,
      detail: { case: "jobStateChange", value: { newState: Job_State.QUEUED } },
    });
  }

  #change(jobId: string, newState: Job_State, actorId: string): void {
    const job = this.jobs.get(jobId);
    if (!job || job.state >= Job_State.SUCCEEDED || job.state === newState) return;
    const attempt = job.attempt + (newState === Job_State.RUNNING ? 1 : 0);
    const actor = newState === Job_State.RUNNING ? actorId : job.actorId;
    const error = newState === Job_State.FAILED ? { kind: 1, message: "no" } : undefined;
    this.jobs.set(jobId, { ...job, state: newState, attempt, actorId: actor, ...(newState === Job_State.RUNNING && { startTime: timestampFromMs(this.time) }) } as Job);
    this.#tell({
      topic: Event_Topic.JOB, type: Event_Type.JOB_STATE_CHANGED, jobId, actorId: actor, scriptType: job.spec!.scriptType,
      detail: { case: "jobStateChange", value: { oldState: job.state, newState, attempt, ...(error && { error }) } },
    });
  }

  #forget(jobId: string): void {
    const job = this.jobs.get(jobId);
    if (!job || job.state < Job_State.SUCCEEDED) return;
    this.jobs.delete(jobId);
    this.#tell({ topic: Event_Topic.JOB, type: Event_Type.JOB_DELETED, jobId, scriptType: job.spec!.scriptType });
  }

  #create(actorId: string): void {
    if (this.actors.has(actorId)) return;
    this.actors.set(actorId, create(ActorSchema, { actorId, config: { scriptType: ScriptType.OSIS }, state: Actor_State.STOPPED, health: Actor_Health.UNKNOWN }));
    this.#tell({ topic: Event_Topic.ACTOR, type: Event_Type.ACTOR_CREATED, actorId, scriptType: ScriptType.OSIS });
  }

  #actor(actorId: string, newState: Actor_State): void {
    const actor = this.actors.get(actorId);
    if (!actor || actor.state === newState) return;
    const pid = newState === Actor_State.RUNNING ? { pid: 7 } : {};
    const { pid: _before, ...rest } = actor;
    this.actors.set(actorId, { ...rest, ...pid, state: newState, desiredState: Actor_DesiredState.UP } as Actor);
    this.#tell({
      topic: Event_Topic.ACTOR, type: Event_Type.ACTOR_STATE_CHANGED, actorId,
      detail: { case: "actorStateChange", value: { oldState: actor.state, newState, desiredState: Actor_DesiredState.UP, ...pid } },
    });
  }

  #health(actorId: string, newHealth: Actor_Health): void {
    const actor = this.actors.get(actorId);
    if (!actor || actor.health === newHealth) return;
    this.actors.set(actorId, { ...actor, health: newHealth });
    this.#tell({
      topic: Event_Topic.HEALTH, type: Event_Type.HEALTH_CHANGED, actorId,
      detail: { case: "health", value: { actorId, oldHealth: actor.health, newHealth } },
    });
  }

  #remove(actorId: string): void {
    if (!this.actors.delete(actorId)) return;
    this.#tell({ topic: Event_Topic.ACTOR, type: Event_Type.ACTOR_DELETED, actorId });
  }

  #pause(scriptType: ScriptType, on: boolean): void {
    if (this.paused.has(scriptType) === on) return;
    if (on) this.paused.add(scriptType);
    else this.paused.delete(scriptType);
    this.#tell({ topic: Event_Topic.QUEUE, type: on ? Event_Type.QUEUE_PAUSED : Event_Type.QUEUE_RESUMED, scriptType });
  }
}
