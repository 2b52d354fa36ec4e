import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { commands, quote } from "../src/commands";
import { bytes, clock, count, line, plain, rate, shortSpan, span } from "../src/format";
import { href, parseRoute } from "../src/router";
import { parseSettings, parseSpan, settingsOf, spanText } from "../src/screens/settings";
import { points, Series } from "../src/store/series";
import { World } from "./world";
import { Job_State, ScalingPolicy_Mode } from "hero-supervisor/web";

describe("numbers and times", () => {
  it("are short and have units", () => {
    expect([0, 0.4, 9.96, 850, 4200, 59_949, 200_000, 7_500_000, 277_200_000, 3_600_000].map(span)).toEqual(
      ["0 ms", "0.4 ms", "10 ms", "850 ms", "4.2 s", "59.9 s", "3 min 20 s", "2 h 5 min", "3 d 5 h", "1 h"]);
    expect([0, 59_999, 60_000, 7_200_000, 172_800_000, -5].map(shortSpan)).toEqual(["0 s", "59 s", "1 min", "2 h", "2 d", "0 s"]);
    expect([0, 0.01, 1.26, 12.4].map(rate)).toEqual(["0", "0.1", "1.3", "12"]);
    expect([999, 1000, 1_234_567].map(count)).toEqual(["999", "1\u202f000", "1\u202f234\u202f567"]);
    expect([0, 1023, 1536, 1024 ** 3].map(bytes)).toEqual(["0 B", "1023 B", "1.5 KiB", "1 GiB"]);
  });

  it("show the date only of another day", () => {
    const noon = new Date(2026, 0, 31, 12, 0, 5).getTime();
    expect(clock(noon, noon)).toBe("12:00:05");
    expect(clock(noon, noon + 86_400_000)).toBe("2026-01-31 12:00:05");
  });
});

/** Texts that have broken pages before. */
export const NASTY = [
  "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\u001b[31mred\u001b[0m", "\u001b]0;title\u0007x", "\u202eevil\u202c", "a\u0000b",
  "👩‍👩‍👧‍👦 é ü", "'; drop table jobs; --", "{{7*7}}", "\ufeffbom", "a\u2028b", "javascript:alert(1)",
];

describe("texts of others", () => {
  it("have nothing left that moves the text around them", () => {
    for (const text of NASTY) expect(plain(text)).not.toMatch(/[\u0000-\u0008\u000e-\u001f\u202a-\u202e\u2066-\u2069]/);
    expect(plain("\u001b[31mred\u001b[0m")).toBe("red");
    expect(plain("a\u0000b")).toBe("a␀b");
    expect(plain("two\n\tlines")).toBe("two\n\tlines");
  });

  it("are one short line where there is room for one", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 3000 }), (text) => {
      const shown = line(text, 80);
      expect(shown).not.toContain("\n");
      expect(Array.from(shown).length).toBeLessThanOrEqual(81);
    }));
    expect(line("\n\n  first\nsecond")).toBe("first");
  });
});

describe("command lines", () => {
  it("quote whatever a shell would read otherwise", () => {
    expect(quote("osis_actor_0")).toBe("osis_actor_0");
    expect(quote("it's $HOME")).toBe(`'it'\\''s $HOME'`);
    fc.assert(fc.property(fc.string(), (text) => {
      const quoted = quote(text);
      expect(quoted === text || (quoted.startsWith("'") && quoted.endsWith("'"))).toBe(true);
    }));
  });

  it("name the call and the command", () => {
    const { cli, grpcurl } = commands.cancelJob("http://127.0.0.1:9465", "j1", "it's enough");
    expect(cli).toBe(`hero-supervisor job cancel j1 --reason 'it'\\''s enough' --yes --server http://127.0.0.1:9465`);
    expect(grpcurl).toBe(`grpcurl -plaintext -d '{"jobId":"j1","reason":"it'\\''s enough"}' 127.0.0.1:9465 hero.supervisor.v1.Supervisor/CancelJob`);
    expect(commands.startActor("https://h:1", "a").grpcurl).not.toContain("-plaintext");
  });
});

describe("addresses", () => {
  it("come back as they were", () => {
    fc.assert(fc.property(fc.array(fc.string({ minLength: 1 }), { maxLength: 3 }), fc.dictionary(fc.stringMatching(/^[a-z]+$/), fc.string({ minLength: 1 }), { noNullPrototype: true }), (path, query) => {
      expect(parseRoute(href(path, query))).toEqual({ path, query });
    }));
    expect(parseRoute("#/job/%ZZ")).toEqual({ path: ["job", "%ZZ"], query: {} });
  });
});

describe("settings", () => {
  it("send only what was changed, and say what is wrong", () => {
    const draft = { ...settingsOf(undefined), mode: "auto", maxReplicas: "4", scaleInDelay: "2m 30s", queueLimit: "many", runTimeout: "" };
    const { settings, paths, wrong } = parseSettings(draft, ["mode", "maxReplicas", "scaleInDelay", "queueLimit", "runTimeout"]);
    expect(paths).toEqual(["scaling_policy.mode", "scaling_policy.max_replicas", "scaling_policy.scale_in_delay", "max_queue_depth", "job_defaults.run_timeout"]);
    expect(settings.scalingPolicy).toMatchObject({ mode: ScalingPolicy_Mode.AUTO, maxReplicas: 4, scaleInDelay: { seconds: 150n } });
    expect(Object.keys(wrong)).toEqual(["queueLimit"]);
  });

  it("read spans as they write them", () => {
    for (const text of ["90s", "5m", "23h", "2d", "1500ms"]) expect(spanText(parseSpan(text))).toBe(text);
    for (const text of ["", "x", "5", "5 parsecs"]) expect(parseSpan(text)).toBeUndefined();
  });
});

describe("the series", () => {
  it("finds the depth of before by undoing events", () => {
    const world = new World();
    for (const job of [1, 2, 3]) world.do({ kind: "submit", job, type: 0 });
    world.time += 10_000;
    world.do({ kind: "job", job: 1, to: Job_State.RUNNING, actor: 0 });
    world.time += 10_000;
    world.do({ kind: "job", job: 1, to: Job_State.SUCCEEDED, actor: 0 });
    world.time += 5000;
    const series = new Series();
    series.backfill([...world.events].reverse(), world.time, new Map([[1, { queued: 2, running: 0 }]]));
    const seen = series.last(1, world.time, 26).map((second) => second && `${second.queued}/${second.running}`);
    expect(seen.at(-1)).toBe("2/0");
    expect(seen.at(-8)).toBe("2/1");
    expect(seen.at(-20)).toBe("3/0");
    expect(series.rates(1, world.time, 30).out * 30).toBeCloseTo(1);
    expect(series.waits(1, world.time, 60)!.p50).toBeGreaterThan(10_000);
  });

  it("joins seconds to so many points", () => {
    const seconds = Array.from({ length: 1800 }, () => ({ submitted: 1, finished: 1, failed: 0, waits: [], queued: 5, running: 1 }));
    const joined = points(seconds, 60);
    expect(joined.length).toBe(60);
    expect(joined[0]!.second).toMatchObject({ finished: 30, queued: 5 });
  });
});
