/** Jobs by their priority, what is done as a line for a terminal, and what stays when somebody has to sign in again. */
import assert from "node:assert/strict";
import { check, live, open, visit } from "./browser.mjs";
import { serveFiles } from "./proxy.mjs";
import { GuardedServer, until } from "./server.mjs";

const copied = (page) => page.evaluate(() => navigator.clipboard.readText());
const words = (line) => line.split(" ").slice(1);

export const JOBS = [
  ["jobs are listed by their priority", async ({ page, server }) => {
    for (const level of [1, 3, 5]) await server.cli("job", "submit", String(level), "--in", "1h", "--priority", String(level), "--caller", "ranked");
    await visit(page, "#/jobs?caller=ranked&priority=1,5", "Jobs");
    await page.locator(".tbody .tr").nth(1).waitFor();
    await page.getByRole("columnheader", { name: "Prio" }).waitFor();
    assert.equal(await page.locator(".tbody .tr").count(), 2);
    await check(page, "jobs by priority");
    await page.getByRole("button", { name: /^priority 1, 5/ }).click();
    await page.locator(".tbody .tr").nth(2).waitFor();
    await page.getByLabel("Filter by").selectOption("priority");
    await page.getByLabel("Value of the filter; Enter adds it").fill("5");
    await page.keyboard.press("Enter");
    await page.locator(".tbody .tr").nth(1).waitFor({ state: "detached" });
    assert.match(await page.evaluate(() => location.hash), /priority=5/);
    // One that gets the priority comes in.
    const [third] = (await server.json("job", "ls", "--caller", "ranked", "--priority", "3")).jobs;
    await server.cli("job", "update", third.jobId, "--priority", "5");
    await page.locator(".tbody .tr").nth(1).waitFor();
    await page.getByLabel("Search for a job, an actor or a label").fill("priority:1");
    await page.keyboard.press("Enter");
    await until("the address has it", async () => (await page.evaluate(() => location.hash)).endsWith("#/jobs?priority=1"));
    await page.locator(".tbody .tr").first().waitFor();
    await server.cli("job", "cancel", "--caller", "ranked", "--yes");
  }],
  ["a filter is kept under a name, and forgotten", async ({ page }) => {
    await visit(page, "#/jobs?state=failed&type=python", "Jobs");
    await page.getByRole("button", { name: "Keep this filter…" }).click();
    await page.getByLabel("Name of the filter").fill("<b>mine");
    await page.keyboard.press("Enter");
    await check(page, "kept filter");
    await visit(page, "#/jobs", "Jobs");
    await page.reload();
    await page.getByRole("link", { name: "<b>mine" }).click();
    await until("the filter is there", async () => (await page.evaluate(() => location.hash)).endsWith("#/jobs?state=failed&type=python"));
    await page.getByRole("button", { name: "Forget <b>mine" }).click();
    await page.getByRole("link", { name: "<b>mine" }).waitFor({ state: "detached" });
  }],
  ["the ageing of priorities is a setting, and a setting is a line for a terminal", async ({ page, server }) => {
    await visit(page, "#/queue/osis", "OSIS queue");
    const ageing = async () => (await server.json("script-type", "get", "osis")).status.settings.priorityAgeing;
    const before = await ageing();
    await page.getByLabel("A level of priority after").fill("10m");
    await page.locator(".diff", { hasText: "A level of priority after" }).waitFor();
    await page.getByRole("button", { name: "Save" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("As a command").click();
    await dialog.getByRole("button", { name: "Copy: CLI" }).click();
    assert.match(await copied(page), /^hero-supervisor script-type set osis --priority-ageing 10m --server /);
    await dialog.getByRole("button", { name: "Copy: grpcurl" }).click();
    assert.match(await copied(page), /"settings":\{.*"priorityAgeing":"600s".*"updateMask":"priorityAgeing"/);
    await dialog.locator("button[type=submit]").click();
    await until("it is set", async () => (await ageing()) === "600s");
    await page.locator(".notice", { hasText: "Settings of OSIS saved" }).last().getByRole("button", { name: "Undo" }).click();
    await until("it is as before", async () => (await ageing()) === before);
  }],
  ["what was done without a question is a line for a terminal, too", async ({ page, server }) => {
    // Nobody runs it, so that it can be cancelled in between.
    const id = (await server.cli("job", "submit", "--type", "v", "1", "-q")).trim();
    await server.cli("job", "cancel", id);
    await visit(page, `#/job/${id}`, id);
    await page.getByRole("button", { name: "Retry" }).click();
    const copy = page.locator(".notice", { hasText: "queued once more" }).last().getByRole("button", { name: "Copy as command: CLI" });
    await copy.click();
    assert.match(await copied(page), new RegExp(`^hero-supervisor job retry ${id} --server http`));
    await server.cli("job", "cancel", id);
    assert.match(await server.cli(...words(await copied(page))), /queued/i);
    await server.cli("job", "cancel", id);
    // Many jobs: a loop.
    for (const n of [1, 2]) await server.cli("job", "submit", String(n), "--in", "1h", "--caller", "looped");
    await visit(page, "#/jobs?caller=looped", "Jobs");
    await page.locator(".tbody .tr").nth(1).waitFor();
    await page.getByLabel("Select all that were read").check();
    await page.getByRole("button", { name: "Cancel…" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("As a command").click();
    await dialog.getByRole("button", { name: "Copy: CLI" }).click();
    assert.match(await copied(page), /^for id in \S+ \S+; do hero-supervisor job cancel "\$id" --yes --server \S+; done$/);
    await dialog.locator("button[type=submit]").click();
    await page.locator(".tbody .tr", { hasText: "cancelled" }).nth(1).waitFor();
  }],
  ["a full queue needs attention", async ({ page, server }) => {
    await server.cli("script-type", "set", "v", "--queue-limit", "1");
    // No event tells of a setting: the page of the queue reads it.
    await visit(page, "#/queue/v", "V queue");
    await page.getByLabel("Most waiting jobs").waitFor();
    await visit(page, "#/", "Overview");
    const full = page.locator(".attention", { hasText: "The V queue is full" });
    await full.getByRole("link", { name: "Look" }).waitFor();
    await check(page, "full queue");
    await server.cli("script-type", "set", "v", "--clear", "queue-limit");
    await visit(page, "#/queue/v", "V queue");
    await until("the form has read it", async () => (await page.getByLabel("Most waiting jobs").inputValue()) !== "1");
    await visit(page, "#/", "Overview");
    await full.waitFor({ state: "detached" });
  }],
  ["a server of another version is told", async ({ browser, server, url }) => {
    const page = await open(browser, url);
    const { version } = await page.evaluate(async () => ({ version: document.querySelector(".rail-foot .ellipsis").textContent.split(" · ").pop() }));
    const other = version.replace(/^\d/, (digit) => String((Number(digit) + 1) % 10));
    const change = (from, to) => page.route("**/GetServerInfo", async (route) => {
      // The server is stopped below: the page meets that as it would without this.
      const answer = await route.fetch().catch(() => null);
      if (!answer) return route.abort("connectionrefused");
      // A text of the same length, so that the message stays one.
      const body = Buffer.from((await answer.body()).toString("latin1").replace(from, to), "latin1");
      return route.fulfill({ response: answer, body });
    });
    const again = async () => {
      await server.stop();
      await page.getByText("The server does not answer.").waitFor();
      await server.start();
      await live(page);
    };
    await change(`${String.fromCharCode(version.length)}${version}`, `${String.fromCharCode(version.length)}${other}`);
    await again();
    await page.locator(".banner", { hasText: `The server was upgraded to ${other}.` }).waitFor();
    await check(page, "another version");
    await page.unrouteAll({ behavior: "wait" });
    await change("\u0002v1", "\u0002v2");
    await again();
    await page.locator(".banner", { hasText: "speaks version v2 of the API" }).waitFor();
    await page.context().close();
  }],
  ["nothing that was typed is lost when a session ends", async ({ browser, server, dist }) => {
    const guarded = new GuardedServer(server);
    try {
      const [first, second] = [await guarded.token("admin", "Ann"), await guarded.token("admin", "Bea")];
      const own = await guarded.start();
      const page = await open(browser, dist ? await serveFiles(dist, guarded) : own, { signIn: true });
      const signIn = async (token) => {
        await page.getByLabel("Token").fill(token.text);
        await page.getByRole("button", { name: "Sign in" }).click();
        await live(page);
      };
      await page.getByRole("heading", { name: "Hero Supervisor" }).waitFor();
      await signIn(first);
      await visit(page, "#/queue/osis", "OSIS queue");
      await page.getByLabel("Most attempts").fill("7");
      await visit(page, "#/run?type=osis", "Run");
      await page.locator("textarea").fill("1 // typed before");
      await page.getByLabel("Input", { exact: false }).first().fill('{"typed": 1}');
      await page.getByText("Options, and the same as a command").click();
      await page.getByLabel("Labels").fill("team=typed");
      await guarded.revoke(first.id);
      await page.getByLabel("Token").waitFor({ timeout: 30_000 });
      await signIn(second);
      await page.getByRole("heading", { name: "Run" }).waitFor();
      assert.equal(await page.locator("textarea").inputValue(), "1 // typed before");
      assert.equal(await page.getByLabel("Input", { exact: false }).first().inputValue(), '{"typed": 1}');
      assert.ok(await page.getByLabel("Labels").isVisible(), "what was set is not hidden");
      assert.equal(await page.getByLabel("Labels").inputValue(), "team=typed");
      await visit(page, "#/queue/osis", "OSIS queue");
      await page.locator(".diff", { hasText: "Most attempts" }).waitFor();
      assert.equal(await page.getByLabel("Most attempts").inputValue(), "7");
      // Who signs out leaves nothing behind.
      await visit(page, "#/access", "Access");
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByText("You have signed out.").waitFor();
      assert.equal(await page.evaluate(() => sessionStorage.length), 0);
      await page.context().close();
    } finally {
      guarded.stop();
    }
  }],
];
