import { Job_State, JobError_Kind, ScriptType } from "hero-supervisor/web";
import { expect, it } from "vitest";
import { groups, shape } from "../src/groups";
import type { LiveJob } from "../src/store/job";

const failed = (id: string, message: string, since: number): LiveJob => ({
  id, type: ScriptType.OSIS, queue: "osis", state: Job_State.FAILED, actor: "", attempt: 1, created: 0, since, error: { kind: JobError_Kind.SCRIPT_ERROR, message },
});

it("errors that differ in numbers, ids and names alone are one group, the largest first", () => {
  const found = groups([
    failed("a", "record 7 has no owner", 1), failed("b", "record 12 has no owner", 3), failed("c", "no such file: '/tmp/x'", 2),
    { ...failed("d", "", 4), state: Job_State.SUCCEEDED, error: undefined },
  ]);
  expect(found.map(({ message, jobs }) => [message, jobs.map(({ id }) => id)])).toEqual([
    ["record # has no owner", ["b", "a"]], ["no such file: '…'", ["c"]],
  ]);
  expect(shape("job 01a22caa-8994-7443-877b-a4a9f7dabe0e took 3.5 s\nmore")).toBe("job … took # s");
});
