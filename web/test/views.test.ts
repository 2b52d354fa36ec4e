import { expect, it } from "vitest";
import { keptViews } from "../src/screens/views";

it("kept filters are read, and whatever else is there is passed over", () => {
  const view = { name: "mine", query: { state: "failed" } };
  expect(keptViews(JSON.stringify([view, 7, null, { name: "x" }, { name: "y", query: { a: 1 } }]))).toEqual([view]);
  for (const text of [null, "", "{", "{}", "7"]) expect(keptViews(text)).toEqual([]);
});
