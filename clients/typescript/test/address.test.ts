import assert from "node:assert/strict";
import { test } from "node:test";

import { parseAddress } from "../src/address.js";
import { ScriptType, SupervisorError, connect } from "../src/index.js";
import { connect as connectOverWeb } from "../src/web.js";
import { Fake } from "./fake.js";

test("an address is a host with a port, a URL, or a path", () => {
  const right: [string, string, string?][] = [
    ["127.0.0.1:50051", "http://127.0.0.1:50051"],
    ["[::1]:50051", "http://[::1]:50051"],
    ["http://supervisor:50051", "http://supervisor:50051"],
    ["http://supervisor:50051/", "http://supervisor:50051"],
    ["https://supervisor.example.org:443", "https://supervisor.example.org:443"],
    ["unix:/run/hero.sock", "http://localhost", "/run/hero.sock"],
    ["unix:///run/hero.sock", "http://localhost", "/run/hero.sock"],
  ];
  for (const [text, baseUrl, socketPath] of right) {
    const found = parseAddress(text);
    assert.deepEqual([found.text, found.baseUrl, found.socketPath], [text, baseUrl, socketPath]);
  }
});

test("a wrong address is refused with what is right", () => {
  for (const wrong of ["", "localhost", "a b", "ftp://x:1", "http://", "https://x", "http://x:1/y", "x:1/", "::1:5", "x:0", "x:65536", "unix:", "unix:run", "unix://run"]) {
    assert.throws(
      () => connect(wrong),
      new SupervisorError(
        "INVALID_ARGUMENT", "",
        `${JSON.stringify(wrong)} is not an address: use host:port, http://host:port, https://host:port or unix:/path`,
      ),
      wrong,
    );
  }
  assert.throws(() => connectOverWeb("unix:/run/hero.sock"), /is not an address: use host:port, http:/);
  assert.ok(connectOverWeb("/supervisor"));
});

test("the environment names the server when no address is given", () => {
  const before = process.env["HERO_SUPERVISOR_SERVER"];
  try {
    process.env["HERO_SUPERVISOR_SERVER"] = "unix:/run/hero.sock";
    assert.equal(connect().options.address, "unix:/run/hero.sock");
    delete process.env["HERO_SUPERVISOR_SERVER"];
    assert.equal(connect().options.address, "127.0.0.1:50051");
  } finally {
    if (before !== undefined) process.env["HERO_SUPERVISOR_SERVER"] = before;
  }
});

test("a job is run over a Unix socket, also after its connection was lost", async () => {
  const fake = new Fake();
  const client = connect(await fake.listen(`/tmp/hero-client-${process.pid}.sock`));
  try {
    assert.equal((await client.run(ScriptType.OSIS, "1")).result, "1");
    fake.cut();
    assert.equal((await client.run(ScriptType.OSIS, "2")).result, "2");
  } finally {
    fake.close();
  }
});
