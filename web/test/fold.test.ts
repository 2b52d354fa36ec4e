import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { ActorSchema, Actor_Health, Actor_State, Event_Type, Job_State, WatchEventsResponseSchema } from "hero-supervisor/web";
import { describe, expect, it } from "vitest";
import { beginRead, depths, fold, inFlight, initial, lost, MOST_EVENTS, putActor, type State } from "../src/store/fold";
import { filterOf, matches, queryOf } from "../src/store/joblist";
import { liveJob } from "../src/store/job";
import { World, type Operation } from "./world";

const index = fc.nat({ max: 5 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ kind: fc.constant("submit" as const), job: index, type: fc.nat({ max: 1 }) }),
  fc.record({
    kind: fc.constant("job" as const), job: index, actor: index,
    to: fc.constantFrom(Job_State.QUEUED, Job_State.RUNNING, Job_State.RETRY_WAIT, Job_State.SUCCEEDED, Job_State.FAILED, Job_State.CANCELLED),
  }),
  fc.record({ kind: fc.constant("forget" as const), job: index }),
  fc.record({ kind: fc.constant("create" as const), actor: index }),
  fc.record({ kind: fc.constant("actor" as const), actor: index, to: fc.constantFrom(Actor_State.STARTING, Actor_State.RUNNING, Actor_State.STOPPED, Actor_State.CRASH_LOOP) }),
  fc.record({ kind: fc.constant("health" as const), actor: index, to: fc.constantFrom(Actor_Health.HEALTHY, Actor_Health.DEGRADED, Actor_Health.UNHEALTHY) }),
  fc.record({ kind: fc.constant("remove" as const), actor: index }),
  fc.record({ kind: fc.constant("pause" as const), type: fc.nat({ max: 1 }), on: fc.boolean() }),
);

/** Reads what events do not tell, as the page does. */
function settle(state: State, world: World): void {
  const { ids, read } = beginRead(state);
  for (const id of ids) putActor(state, id, world.actors.get(id), read);
}

/** What lists would show. */
function listed(world: World) {
  return {
    actors: [...world.actors.values()].map(({ actorId, state, health, pid }) => [actorId, state, health, pid]).sort(),
    jobs: [...world.jobs.values()].filter((job) => job.state < Job_State.SUCCEEDED)
      .map((job) => [job.jobId, job.state, job.attempt, job.actorId, job.spec!.scriptType]).sort(),
    paused: [...world.paused].sort(),
  };
}

function shown(state: State) {
  return {
    actors: [...state.actors.values()].map(({ actorId, state: now, health, pid }) => [actorId, now, health, pid]).sort(),
    jobs: [...state.jobs.values()].map((job) => [job.id, job.state, job.attempt, job.actor, job.type]).sort(),
    paused: [...state.types.values()].filter((type) => type.paused).map((type) => type.scriptType).sort(),
  };
}

describe("the fold", () => {
  it("of usage is the latest: an actor that is not in it has no process", () => {
    const state = initial();
    const usage = (actors: Record<string, { memoryBytes: bigint }>) => create(WatchEventsResponseSchema, { item: { case: "usage", value: { actors } } });
    fold(state, usage({ a: { memoryBytes: 1n }, b: { memoryBytes: 2n } }));
    fold(state, usage({ b: { memoryBytes: 3n } }));
    expect([...state.usage].map(([id, { memoryBytes }]) => [id, memoryBytes])).toEqual([["b", 3n]]);
  });

  it("takes no answer about an actor that says how it was before", () => {
    const actor = (state: Actor_State) => create(ActorSchema, { actorId: "a", state });
    const event = (type: Event_Type) => create(WatchEventsResponseSchema, { item: { case: "event", value: { type, actorId: "a" } } });
    const state = initial();
    fold(state, event(Event_Type.ACTOR_CREATED));
    const first = beginRead(state);
    fold(state, event(Event_Type.ACTOR_UPDATED));
    const second = beginRead(state);
    expect([first.ids, second.ids]).toEqual([["a"], ["a"]]);
    putActor(state, "a", actor(Actor_State.RUNNING), second.read);
    putActor(state, "a", actor(Actor_State.STARTING), first.read);
    expect(state.actors.get("a")?.state).toBe(Actor_State.RUNNING);

    fold(state, event(Event_Type.ACTOR_UPDATED));
    const third = beginRead(state);
    fold(state, event(Event_Type.ACTOR_DELETED));
    putActor(state, "a", actor(Actor_State.STOPPING), third.read);
    expect([...state.actors.keys()]).toEqual([]);
  });

  it("of a snapshot and the events after it is what the lists show", () => {
    fc.assert(fc.property(fc.array(operation, { maxLength: 60 }), fc.array(operation, { maxLength: 60 }), fc.nat({ max: 10 }), (before, after, overlap) => {
      const world = new World();
      for (const one of before) world.do(one);
      const state = initial();
      for (const message of world.snapshot()) fold(state, message);
      // A snapshot takes a while: it may have what the first events tell once more.
      const from = Math.max(0, world.events.length - overlap);
      for (const one of after) world.do(one);
      for (const event of world.events.slice(from)) fold(state, world.message(event));
      settle(state, world);
      expect(shown(state)).toEqual(listed(world));
    }), { numRuns: 300 });
  });

  it("begins anew with a new snapshot, and forgets one that broke off", () => {
    const world = new World();
    world.do({ kind: "create", actor: 1 });
    world.do({ kind: "submit", job: 1, type: 0 });
    const state = initial();
    for (const message of world.snapshot()) fold(state, message);
    for (const message of world.snapshot().slice(0, 3)) fold(state, message);
    lost(state);
    world.do({ kind: "remove", actor: 1 });
    world.do({ kind: "job", job: 1, to: Job_State.CANCELLED, actor: 0 });
    world.do({ kind: "submit", job: 2, type: 1 });
    for (const message of world.snapshot()) fold(state, message);
    expect(shown(state)).toEqual(listed(world));
  });

  it("goes on behind a cursor without losing what was known", () => {
    const world = new World();
    world.do({ kind: "submit", job: 1, type: 0 });
    const state = initial();
    for (const message of world.snapshot()) fold(state, message);
    lost(state);
    fold(state, world.snapshot().at(-1)!);
    expect(shown(state)).toEqual(listed(world));
  });

  it("keeps its memory bounded", () => {
    const world = new World();
    const state = initial();
    for (const message of world.snapshot()) fold(state, message);
    for (let job = 0; job < 3000; job += 1) {
      world.do({ kind: "submit", job, type: 0 });
      world.do({ kind: "job", job, to: Job_State.SUCCEEDED, actor: 0 });
    }
    for (const event of world.events) fold(state, world.message(event));
    expect(state.events.length).toBeLessThanOrEqual(MOST_EVENTS * 1.25);
    expect(state.ended.size).toBeLessThanOrEqual(500);
    expect(state.jobs.size).toBe(0);
  });

  it("counts what waits and what runs where", () => {
    const world = new World();
    for (const job of [1, 2, 3]) world.do({ kind: "submit", job, type: 0 });
    world.do({ kind: "job", job: 3, to: Job_State.RUNNING, actor: 4 });
    const state = initial();
    for (const message of world.snapshot()) fold(state, message);
    expect(depths(state).get(1)).toMatchObject({ queued: 2, running: 1, delayed: 0 });
    expect(inFlight(state).get("a4")).toBe(1);
  });
});

describe("a filter", () => {
  it("is the address of the page, and back", () => {
    fc.assert(fc.property(fc.constantFrom("", "osis", "osis,python"), fc.constantFrom("", "queued,failed"), fc.constantFrom("", "ann"), fc.constantFrom("", "gpu"), (type, state, caller, queue) => {
      const query = { type, state, caller, context: "", actor: "", id: "", label: "", priority: "", queue };
      expect(queryOf(filterOf(query))).toEqual(query);
    }));
    expect(filterOf({ label: "team=blue,step=2=3", state: "queued,none", type: "cobol" })).toMatchObject({
      labels: { team: "blue", step: "2=3" }, states: [Job_State.QUEUED], types: [],
    });
  });

  it("holds labels with commas, signs of percent and equals", () => {
    fc.assert(fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.string()), (labels) => {
      const filter = { ...filterOf({}), labels };
      expect(filterOf(queryOf(filter)).labels).toEqual(labels);
    }));
  });

  it("does not decide by what it does not know", () => {
    const world = new World();
    world.do({ kind: "submit", job: 1, type: 0 });
    const job = liveJob(world.jobs.get("j1")!);
    expect(matches({ ...job, spec: undefined }, filterOf({ caller: "ann" }))).toBeUndefined();
    expect(matches({ ...job, spec: undefined }, filterOf({ caller: "ann", state: "failed" }))).toBe(false);
    expect(matches(job, filterOf({ type: "osis", state: "queued" }))).toBe(true);
  });
});
