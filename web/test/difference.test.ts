import { create } from "@bufbuild/protobuf";
import { ActorConfigSchema } from "hero-supervisor/web";
import { expect, it } from "vitest";
import { changedPaths, differences, isMasked } from "../src/screens/difference";

const config = (init: Parameters<typeof create<typeof ActorConfigSchema>>[1]) => create(ActorConfigSchema, init);

it("tells only what differs, down to single limits", () => {
  const from = config({ scriptType: 2, args: ["--level", "1"], env: { A: "1", B: "2" }, limits: { openFiles: 10 } });
  const to = config({ scriptType: 2, args: ["--level", "2"], env: { A: "1", C: "3" }, limits: { openFiles: 20, processes: 5 }, workingDir: "/srv" });
  expect(differences(from, to).map(({ name, from: old, to: now }) => `${name}: ${old} → ${now}`)).toEqual([
    'args: ["--level","1"] → ["--level","2"]', "env.B: 2 → –", "env.C: – → 3", "limits.openFiles: 10 → 20", "limits.processes: – → 5", "workingDir: – → /srv",
  ]);
  expect(differences(from, from)).toEqual([]);
});

it("takes a message that is only on one side apart, and leaves out which values are secret", () => {
  const bare = config({ scriptType: 2 });
  expect(differences(bare, config({ scriptType: 2, runAs: { user: "nobody" }, secretEnv: ["A"] }))).toEqual([{ name: "runAs.user", from: "–", to: "nobody" }]);
});

it("names the fields that a change needs, and refuses to write what stands for a secret", () => {
  const from = config({ scriptType: 2, args: ["--token", "***"], envNames: ["A", "B"], healthCheck: "check --token ***" });
  const to = config({ scriptType: 2, args: ["--token", "***", "--more"], envNames: ["A"], env: { C: "1" }, healthCheck: "check --token ***", limits: { openFiles: 9 } });
  expect(changedPaths(from, to).sort()).toEqual(["args", "env", "limits"]);
  expect(isMasked(to, changedPaths(from, to))).toBe(true);
  expect(isMasked(to, ["limits"])).toBe(false);
  expect(changedPaths(from, from)).toEqual([]);
});
