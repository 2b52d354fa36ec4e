/** The dashboard with TLS of its own, and on a unix socket behind a proxy that has TLS and serves it below a path. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:https";
import { join } from "node:path";
import { check, live, open, visit } from "./browser.mjs";
import { GuardedServer, until } from "./server.mjs";

/** A proxy at `https://127.0.0.1:PORT/hero/` in front of a unix socket. */
async function proxyOf(socketPath, certificates) {
  const pair = { key: readFileSync(join(certificates, "server.key")), cert: readFileSync(join(certificates, "server.crt")) };
  const proxy = createServer(pair, (incoming, outgoing) => {
    if (!incoming.url.startsWith("/hero/")) return outgoing.writeHead(404).end();
    const options = { socketPath, method: incoming.method, path: incoming.url.slice("/hero".length), headers: { ...incoming.headers, "x-forwarded-proto": "https" } };
    const call = request(options, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
      answer.on("error", () => outgoing.destroy());
    });
    call.on("error", () => outgoing.destroy());
    outgoing.on("close", () => call.destroy());
    incoming.pipe(call);
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  proxy.unref();
  return `https://127.0.0.1:${proxy.address().port}/hero/`;
}

/** Signs in, and sees an event as it happens. */
async function use(browser, server, url, token) {
  const page = await open(browser, url, { signIn: true, ignoreHTTPSErrors: true });
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await live(page);
  const [cookie, ...others] = await page.context().cookies();
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.secure, others], [true, "Strict", true, []]);
  const id = await server.cli("job", "submit", "--type", "v", "fn main() {}", "-q");
  await visit(page, "#/jobs?type=v", "Jobs");
  await page.locator(".tbody .tr", { hasText: id.slice(-12) }).waitFor();
  await server.cli("job", "cancel", id, "--yes");
  await page.locator(".tbody .tr", { hasText: id.slice(-12) }).getByText("cancelled").waitFor();
  await page.reload();
  await live(page);
  await check(page, url);
  await page.context().close();
}

export const BEHIND = [
  ["with TLS, and on a unix socket behind a proxy below a path, it signs in and follows", async ({ browser, server }) => {
    const certificates = join(server.dir, "tls");
    await server.cli("tls", "init", "--host", "127.0.0.1", "--out", certificates);
    const socket = join(server.dir, "page");
    const encrypted = ["--tls-cert", join(certificates, "server.crt"), "--tls-key", join(certificates, "server.key")];
    for (const options of [{ more: encrypted }, { listen: `unix:${socket}` }]) {
      const guarded = new GuardedServer(server);
      try {
        const { text } = await guarded.token("operator", "Olaf");
        const own = await guarded.start(options);
        const url = options.listen ? await proxyOf(socket, certificates) : own;
        assert.ok(url.startsWith("https://"), url);
        await use(browser, server, url, text);
      } finally {
        guarded.stop();
        await until("the guarded server is gone", () => guarded.isGone());
      }
    }
  }],
];
