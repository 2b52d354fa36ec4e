import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  Actor_Health, Actor_State, Dependency_State, DependencySchema, GetServerInfoResponseSchema, Job_State, ScriptType,
} from "hero-supervisor/web";
import { describe, expect, it } from "vitest";
import { attention, OLD_MS } from "../src/attention";
import { snippets } from "../src/snippets";
import { beginRead, fold, foldPast, initial, putActor, type State } from "../src/store/fold";
import { World } from "./world";

function stateOf(world: World): State {
  const state = initial();
  for (const message of world.snapshot()) fold(state, message);
  return state;
}

const kinds = (state: State, now: number): string[] => attention(state, undefined, now).map(({ kind }) => kind);

describe("what needs attention", () => {
  it("is nothing while all is well", () => {
    const world = new World();
    world.do({ kind: "create", actor: 1 });
    world.do({ kind: "actor", actor: 1, to: Actor_State.RUNNING });
    world.do({ kind: "submit", job: 1, type: 0 });
    expect(kinds(stateOf(world), world.time)).toEqual([]);
  });

  it("is whatever is down, stuck or failing, the worst first", () => {
    const world = new World();
    for (const actor of [1, 2]) world.do({ kind: "create", actor });
    world.do({ kind: "actor", actor: 1, to: Actor_State.CRASH_LOOP });
    world.do({ kind: "health", actor: 2, to: Actor_Health.UNHEALTHY });
    world.do({ kind: "submit", job: 1, type: 0 });
    world.do({ kind: "pause", type: 1, on: true });
    const state = stateOf(world);
    state.dependencies.set("redis", create(DependencySchema, { name: "redis", state: Dependency_State.DOWN }));
    expect(kinds(state, world.time)).toEqual(["dependency", "crashed", "unhealthy", "idle", "paused"]);
  });

  it("tells of a queue whose oldest job has waited long, while actors run", () => {
    const world = new World();
    world.do({ kind: "create", actor: 1 });
    world.do({ kind: "actor", actor: 1, to: Actor_State.RUNNING });
    world.do({ kind: "submit", job: 1, type: 0 });
    expect(kinds(stateOf(world), world.time + OLD_MS + 1000)).toEqual(["old"]);
  });

  it("counts failures of one kind, of before the page was opened as well, and forgets them", () => {
    const world = new World();
    for (const job of [1, 2, 3]) {
      world.do({ kind: "submit", job, type: 0 });
      world.do({ kind: "job", job, to: Job_State.FAILED, actor: 0 });
    }
    const state = stateOf(world);
    expect(kinds(state, world.time)).toEqual([]);
    foldPast(state, [...world.events].reverse());
    expect([...state.ended.keys()]).toEqual(["j1", "j2", "j3"]);
    expect(attention(state, undefined, world.time)).toMatchObject([{ kind: "failures", failed: 3, type: ScriptType.OSIS }]);
    expect(kinds(state, world.time + 11 * 60_000)).toEqual([]);
  });

  it("warns of a certificate before it ends", () => {
    const world = new World();
    const info = create(GetServerInfoResponseSchema, { tls: { notAfter: timestampFromMs(world.time + 3 * 86_400_000) } });
    expect(attention(stateOf(world), info, world.time)).toMatchObject([{ kind: "certificate" }]);
    expect(attention(stateOf(world), info, world.time - 20 * 86_400_000)).toEqual([]);
  });

  it("does not name an actor that is gone", () => {
    const world = new World();
    world.do({ kind: "create", actor: 1 });
    world.do({ kind: "actor", actor: 1, to: Actor_State.FAILED });
    const state = stateOf(world);
    state.stale.actors.add("a1");
    putActor(state, "a1", undefined, beginRead(state).read);
    expect(kinds(state, world.time)).toEqual([]);
  });
});

describe("programs", () => {
  it("have the script as a string of their language", () => {
    const all = snippets("http://127.0.0.1:9465", ScriptType.PYTHON, 'print("a")\n\u0001');
    expect(all.map(({ language }) => language)).toEqual(["Python", "TypeScript", "Go", "Java", "Rust"]);
    for (const { language, text } of all) expect(text).toContain(language === "Rust" ? '"print(\\"a\\")\\n\\u{0001}"' : '"print(\\"a\\")\\n\\u0001"');
    expect(all.at(-1)!.text).toContain("ScriptType::Python");
  });
});
