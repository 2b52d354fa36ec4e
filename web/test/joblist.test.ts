import fc from "fast-check";
import { create } from "@bufbuild/protobuf";
import { Event_Type, EventSchema, Job_State, JobSchema, ListJobsResponseSchema, type SupervisorClient } from "hero-supervisor/web";
import { expect, it } from "vitest";
import { filterOf, JobList } from "../src/store/joblist";
import { World, type Operation } from "./world";

/** A client that lists the jobs of a world. */
function clientOf(world: World, failed: boolean): SupervisorClient {
  const matching = () => [...world.jobs.values()].filter((job) => !failed || job.state === Job_State.FAILED);
  return {
    calls: {
      listJobs: async () => create(ListJobsResponseSchema, { jobs: matching() }),
      getJob: async ({ jobId }: { jobId: string }) => ({ job: world.jobs.get(jobId) }),
    },
  } as unknown as SupervisorClient;
}

const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ kind: fc.constant("submit" as const), job: fc.nat({ max: 7 }), type: fc.nat({ max: 1 }) }),
  fc.record({ kind: fc.constant("job" as const), job: fc.nat({ max: 7 }), actor: fc.nat({ max: 2 }), to: fc.constantFrom(Job_State.QUEUED, Job_State.RUNNING, Job_State.SUCCEEDED, Job_State.FAILED) }),
  fc.record({ kind: fc.constant("forget" as const), job: fc.nat({ max: 7 }) }),
);

it("a list with the events after it is what the list would be now, newest first", async () => {
  await fc.assert(fc.asyncProperty(fc.array(operation, { maxLength: 40 }), fc.array(operation, { maxLength: 40 }), fc.boolean(), async (before, after, failed) => {
    const world = new World();
    for (const one of before) world.do(one);
    const list = new JobList(clientOf(world, failed), filterOf(failed ? { state: "failed" } : {}), () => undefined, () => undefined);
    await list.load();
    const seen = world.events.length;
    for (const one of after) {
      world.do(one);
      if (list.rows.length > 100) break;
    }
    for (const event of world.events.slice(seen)) list.event(event);
    // Jobs that came into the filter are asked for.
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    const now = [...world.jobs.values()].filter((job) => !failed || job.state === Job_State.FAILED).map((job) => [job.jobId, job.state]);
    expect(list.rows.map((job) => [job.id, job.state]).sort()).toEqual(now.sort());
    expect([...list.rows].sort((a, b) => b.created - a.created).map((job) => job.id)).toEqual(list.rows.map((job) => job.id));
  }), { numRuns: 200 });
});

it("a job comes and goes with its priority", async () => {
  let priority = 5;
  const job = () => create(JobSchema, { jobId: "j", state: Job_State.QUEUED, spec: { scriptType: 1, priority } });
  const asked: unknown[] = [];
  const client = { calls: {
    listJobs: async (request: unknown) => { asked.push(request); return create(ListJobsResponseSchema); },
    getJob: async () => ({ job: job() }),
  } } as unknown as SupervisorClient;
  const list = new JobList(client, filterOf({ priority: "1,2,9" }), () => undefined, () => undefined);
  await list.load();
  expect(asked).toMatchObject([{ priorities: [1, 2] }]);
  const changed = async (to: number): Promise<number[]> => {
    priority = to;
    list.event(create(EventSchema, { type: Event_Type.JOB_UPDATED, jobId: "j", detail: { case: "jobUpdate", value: { newPriority: to } } }));
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    return list.rows.map((row) => row.spec!.priority);
  };
  expect(await changed(2)).toEqual([2]);
  expect(await changed(1)).toEqual([1]);
  expect(await changed(3)).toEqual([]);
});

it("a list of a named queue has its jobs alone, and others have none of them", async () => {
  const job = (jobId: string, queue: string) => create(JobSchema, { jobId, state: Job_State.QUEUED, spec: { scriptType: 1, queue } });
  const asked: unknown[] = [];
  const jobs = [job("g", "gpu"), job("o", "")];
  const client = { calls: {
    listJobs: async (request: unknown) => { asked.push(request); return create(ListJobsResponseSchema); },
    getJob: async ({ jobId }: { jobId: string }) => ({ job: jobs.find((one) => one.jobId === jobId) }),
  } } as unknown as SupervisorClient;
  const listed = async (query: Record<string, string>): Promise<[string, number][]> => {
    const list = new JobList(client, filterOf(query), () => undefined, () => undefined);
    await list.load();
    const detail = { case: "jobStateChange" as const, value: { newState: Job_State.QUEUED } };
    list.event(create(EventSchema, { type: Event_Type.JOB_STATE_CHANGED, jobId: "g", queue: "gpu", detail }));
    list.event(create(EventSchema, { type: Event_Type.JOB_STATE_CHANGED, jobId: "o", scriptType: 1, detail }));
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    return list.rows.map((row) => [row.id, row.type]);
  };
  expect(await listed({ queue: "gpu" })).toEqual([["g", 1]]);
  expect(await listed({})).toEqual([["o", 1]]);
  expect(await listed({ queue: "osis" })).toEqual([["o", 1]]);
  expect(asked).toMatchObject([{ queues: ["gpu"] }, { queues: [] }, { queues: ["osis"] }]);
});
