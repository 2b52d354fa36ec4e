import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";

import { wayTo, type AccessOptions } from "../src/access.js";
import { parseAddress } from "../src/address.js";
import { PermissionDeniedError, ScriptType, Supervisor, UnauthenticatedError, WaitOutcome, connect } from "../src/index.js";
import { connect as connectOverWeb } from "../src/web.js";

const folder = mkdtempSync(join(tmpdir(), "hero-access-"));
let server: Http2Server;
let address: string;
const sessions = new Set<ServerHttp2Session>();
let calls = 0;

/** Answers whose token is "right". */
function check({ requestHeader }: HandlerContext): void {
  calls++;
  const shown = requestHeader.get("authorization");
  if (shown === "Bearer small") throw new ConnectError("not for you", Code.PermissionDenied);
  if (shown !== "Bearer right") throw new ConnectError("who are you?", Code.Unauthenticated);
}

before(async () => {
  server = createServer(connectNodeAdapter({
    routes: (router) => router.service(Supervisor, {
      getServerInfo: (_, context) => (check(context), {}),
      runJob: (_, context) => (check(context), { waitOutcome: WaitOutcome.DONE, job: {} }),
      async *watchEvents(_, context) {
        check(context);
        yield { cursor: "c" };
        throw new ConnectError("no more", Code.PermissionDenied);
      },
    }),
  }));
  server.on("session", (session) => void sessions.add(session));
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.close();
  for (const session of sessions) session.destroy();
  rmSync(folder, { recursive: true });
});
beforeEach(() => void (calls = 0));

function file(text: string): string {
  const path = join(folder, createHash("sha256").update(text).digest("hex"));
  writeFileSync(path, text);
  return path;
}

test("an address and what is given say whether it is encrypted", () => {
  const cacert = file("-----BEGIN CERTIFICATE-----");
  const cases: [string, AccessOptions, string][] = [
    ["127.0.0.1:1", {}, "http://127.0.0.1:1"],
    ["127.0.0.1:1", { token: "t" }, "http://127.0.0.1:1"],
    ["localhost:1", { token: "t" }, "http://localhost:1"],
    ["[::1]:1", { token: "t" }, "http://[::1]:1"],
    ["unix:/s", { token: "t", cacert }, "http://localhost"],
    ["http://127.0.0.1:1", { token: "t", cacert }, "http://127.0.0.1:1"],
    ["127.0.0.1:1", { cacert }, "https://127.0.0.1:1"],
    ["10.0.0.1:1", {}, "http://10.0.0.1:1"],
    ["10.0.0.1:1", { token: "t" }, "https://10.0.0.1:1"],
    ["https://127.0.0.1:1", {}, "https://127.0.0.1:1"],
  ];
  for (const [text, access, baseUrl] of cases) {
    const way = wayTo(parseAddress(text), access, {});
    assert.deepEqual([way.baseUrl, way.tls !== undefined], [baseUrl, baseUrl.startsWith("https")], text);
  }
});

test("what cannot be is refused by connect", () => {
  const [two, empty, nowhere] = [file("a b\n"), file("\n"), "/nowhere"];
  const cases: [RegExp, string, AccessOptions][] = [
    [/"http:\/\/h:1" would send the token in the clear to another machine: use https:\/\/h:1$/, "http://h:1", { token: "t" }],
    [/a client certificate and its key go together: give both/, "h:1", { clientCert: "c" }],
    [/a token and a token file were given: give one of them/, "h:1", { token: "t", tokenFile: "f" }],
    [/the token is not one word of visible ASCII characters/, "h:1", { token: "a\nb" }],
    [/the token is not one word of visible ASCII characters/, "h:1", { tokenFile: two }],
    [/the token is empty/, "h:1", { tokenFile: empty }],
    [/the token file cannot be read/, "h:1", { tokenFile: nowhere }],
    [/the CA certificates cannot be read/, "h:1", { cacert: nowhere }],
    [/holds no certificate in PEM/, "h:1", { cacert: two }],
    [/the client certificate cannot be read/, "h:1", { clientCert: nowhere, clientKey: nowhere }],
  ];
  for (const [words, text, access] of cases) assert.throws(() => connect(text, access), words);
  assert.throws(() => connectOverWeb("http://h:1", { token: "t" }), /in the clear/);
  assert.ok(connectOverWeb("h:1", { token: "t" }) && connectOverWeb("/supervisor", { token: () => "t" }));
});

test("no option of the transport leads a token into the clear", async () => {
  const client = connect(address, { token: "right", baseUrl: "http://10.255.255.1:1" });
  await assert.rejects(client.calls.getServerInfo({}), /in the clear/);
});

test("a token is shown and refusals are final", async () => {
  const client = connect(address, { token: "right" });
  await client.calls.getServerInfo({});
  await assert.rejects(async () => {
    for await (const { cursor } of client.watchEvents()) assert.equal(cursor, "c");
  }, PermissionDeniedError);
  for (const [token, kind] of [["wrong", UnauthenticatedError], ["small", PermissionDeniedError]] as const) {
    calls = 0;
    const refused = connect(address, { token });
    await assert.rejects(refused.getJob("j").catch(() => refused.run(ScriptType.OSIS, "1")), kind);
    await assert.rejects(refused.watchEvents().next(), kind);
    assert.equal(calls, 2);
  }
});

test("a token file is read again when it has changed", async () => {
  const tokenFile = file("wrong\n");
  const client = connect(address, { tokenFile });
  await assert.rejects(client.calls.getServerInfo({}));
  writeFileSync(tokenFile, "right\n");
  await client.calls.getServerInfo({});
  rmSync(tokenFile);
  await client.calls.getServerInfo({});
});

test("the environment says what no option says", () => {
  const env = { HERO_SUPERVISOR_TOKEN: "right" };
  assert.equal(wayTo(parseAddress(address), {}, env).token?.(), "right");
  assert.equal(wayTo(parseAddress(address), { token: "other" }, env).token?.(), "other");
});
