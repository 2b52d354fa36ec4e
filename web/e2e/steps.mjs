/** What people do, one step after the other. */
import assert from "node:assert/strict";
import { check, live, open, visit } from "./browser.mjs";
import { serveFiles } from "./proxy.mjs";
import { GuardedServer, until } from "./server.mjs";

const state = async (server, id) => JSON.stringify(await server.json("job", "get", id)).match(/STATE_[A-Z_]+/)?.[0];
/** Confirms the question that is asked. */
const confirm = async (page, { word, reason } = {}) => {
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  if (reason) await dialog.getByLabel("Reason").fill(reason);
  if (word) await dialog.getByLabel(/^Type /).fill(word);
  await dialog.locator("button[type=submit]").click();
  await dialog.waitFor({ state: "hidden" });
};
/** Opens the options of a run, which are open if something was set before. */
const options = (page) => page.locator("details", { hasText: "Options, and the same as a command" }).evaluate((box) => { box.open = true; });
const notice = (page, text) => page.locator(".notice", { hasText: text }).first().waitFor();

export const STEPS = [
  ["the overview shows what needs attention", async ({ page }) => {
    await page.getByText("crashy does not stay up").waitFor();
    await page.getByText("1 job for V is waiting, and no actor runs").waitFor();
    await page.getByText(/OSIS jobs failed in 10 min: script error/).waitFor();
    for (const name of ["Redis", "Process manager"]) await page.locator(".tile", { hasText: name }).getByText("Up", { exact: true }).waitFor();
    await check(page, "overview");
  }],
  ["a job shows its failing line, its result and its log", async ({ page, made }) => {
    await visit(page, `#/job/${made.failed}`, made.failed);
    await page.locator(".script .marked", { hasText: "10 / row" }).waitFor();
    await page.getByText("script error").first().waitFor();
    await page.locator(".timeline").getByText(/^\d.* of CPU(, at most .* of memory)?$/).waitFor();
    await check(page, "failed job");
    await visit(page, `#/job/${made.tree}`, made.tree);
    await page.getByRole("heading", { name: "Result" }).waitFor();
    await page.getByText("monthly").first().waitFor();
    await visit(page, `#/job/${made.slow}`, made.slow);
    await page.locator(".log-line", { hasText: /step \d+/ }).nth(2).waitFor();
    await check(page, "running job");
  }],
  ["a job is copied as a command that works", async ({ page, server, made }) => {
    await visit(page, `#/job/${made.failed}`, made.failed);
    await page.getByRole("button", { name: "Copy: CLI" }).click();
    const line = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(line, new RegExp(`^hero-supervisor job get ${made.failed} --server http://`));
    const words = line.split(" ").slice(1);
    assert.match(await server.cli(...words), /failed/i);
  }],
  ["a script is run in each language and followed to its end", async ({ page }) => {
    for (const [language, script, result] of [
      ["OSIS", "40 + 2", "42"], ["SAL", '"a" + "b"', "ab"], ["Python", 'print("hello from python")', "hello from python"],
    ]) {
      await visit(page, "#/run", "Run");
      await page.getByRole("button", { name: language, exact: true }).click();
      await page.getByLabel("Script", { exact: true }).and(page.locator("textarea")).fill(script);
      await page.getByRole("button", { name: "Run", exact: true }).click();
      await page.locator("section[aria-label=Outcome]").getByText(result).first().waitFor();
      await page.locator("section[aria-label=Outcome] .pill", { hasText: "succeeded" }).waitFor();
    }
    await page.getByRole("button", { name: "V", exact: true }).click();
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.getByText(/no v actor runs/).first().waitFor();
    await check(page, "run");
  }],
  ["what was typed is not lost, and wrong options are told beside them", async ({ page }) => {
    await visit(page, "#/run?type=osis", "Run");
    await page.locator("textarea").fill("1 + 1 // typed");
    await options(page);
    await page.getByLabel("Time limit of a run").fill("5 parsecs");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.getByText("That is no time: use 90s, 5m or 24h.").waitFor();
    await visit(page, "#/jobs", "Jobs");
    await visit(page, "#/run", "Run");
    assert.equal(await page.locator("textarea").inputValue(), "1 + 1 // typed");
  }],
  ["a script gets its input, and a job its options", async ({ page, server }) => {
    await visit(page, "#/run?type=osis", "Run");
    await page.locator("textarea").fill("`${INPUT.name}: ${INPUT.n[0] * INPUT.n[1]}`");
    await page.getByLabel("Input", { exact: false }).first().fill("{name");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.getByText("The input is no JSON").waitFor();
    await page.getByLabel("Input", { exact: false }).first().fill('{"name": "Zoë <b>", "n": [6, 7]}');
    await options(page);
    await page.getByLabel("Labels").fill("team=blue, step=2");
    await page.getByLabel("Time limit of a run").fill("90s");
    await page.getByLabel("Most attempts").fill("3");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.locator("section[aria-label=Outcome]").getByText("Zoë <b>: 42").first().waitFor();
    const { jobs } = JSON.parse(await server.cli("job", "ls", "--label", "team=blue", "--label", "step=2", "-o", "json"));
    assert.equal(jobs.length, 1, JSON.stringify(jobs));
    const { spec } = jobs[0];
    assert.deepEqual([spec.runTimeout, spec.retryPolicy.maxAttempts], ["90s", 3]);
    await visit(page, `#/job/${jobs[0].jobId}`, jobs[0].jobId);
    await page.getByText('{"name": "Zoë <b>", "n": [6, 7]}').first().waitFor();
    await check(page, "input");
  }],
  ["a waiting job gets another priority, and a new one has its own", async ({ page, server }) => {
    const id = (await server.cli("job", "submit", "1", "--in", "1h", "--priority", "5", "-q")).trim();
    const priority = async () => (await server.json("job", "get", id)).job.spec.priority;
    await visit(page, `#/job/${id}`, id);
    await check(page, "priority");
    await page.getByLabel("Change the priority").selectOption("1");
    await notice(page, "has priority 1");
    await until("the priority is 1", async () => (await priority()) === 1);
    const undo = page.locator(".notice", { hasText: "has priority 1" }).getByRole("button", { name: "Undo" });
    await undo.hover();
    await check(page, "a button of a notice below the pointer");
    await undo.click();
    await until("the priority is 5 again", async () => (await priority()) === 5);
    await server.cli("job", "cancel", id);
    await visit(page, "#/run?type=osis", "Run");
    await page.locator("textarea").fill('"first of all"');
    await options(page);
    await page.getByLabel("Priority").selectOption("1");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.locator("section[aria-label=Outcome]").getByText("first of all").first().waitFor();
    const again = (await server.cli("job", "retry", id, "--input", "[1]", "-q")).trim();
    await visit(page, `#/job/${again}`, again);
    await page.getByText("Runs again").waitFor();
    await page.locator(`dl.facts a[href*="${id}"]`).waitFor();
  }],
  ["a job is run again with a changed script", async ({ page, made }) => {
    await visit(page, `#/job/${made.failed}`, made.failed);
    await page.getByRole("button", { name: "Run again with changes" }).click();
    await page.locator("textarea").filter({ hasText: "10 / row" }).or(page.locator("textarea")).first().waitFor();
    await until("the script is there", async () => (await page.locator("textarea").inputValue()).includes("10 / row"));
    await page.locator("textarea").fill('print("mended")');
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.locator("section[aria-label=Outcome]").getByText("mended").first().waitFor();
  }],
  ["a running job is cancelled, with what that does told before", async ({ page, server, made }) => {
    await visit(page, `#/job/${made.slow}`, made.slow);
    await page.getByRole("button", { name: "Cancel job" }).click();
    await page.getByRole("dialog").getByText(/it is killed where it is/).waitFor();
    await confirm(page, { reason: "enough of it" });
    await page.locator("main h1 .pill", { hasText: "cancelled" }).waitFor();
    await page.getByText("enough of it").first().waitFor();
    assert.equal(await state(server, made.slow), "STATE_CANCELLED");
  }],
  ["a failed job is retried", async ({ page, made }) => {
    await visit(page, `#/job/${made.failed}`, made.failed);
    await page.getByRole("button", { name: "Retry" }).click();
    await notice(page, "queued once more");
    await page.locator(".timeline", { hasText: "Attempt 1 failed" }).waitFor();
    await page.locator("main h1 .pill", { hasText: "failed" }).waitFor();
  }],
  ["jobs are filtered by the address, selected and deleted together", async ({ page, server }) => {
    await visit(page, "#/jobs?state=failed&type=osis", "Jobs");
    await page.locator(".tbody .tr").nth(3).waitFor();
    assert.equal(await page.locator(".tbody .tr", { hasText: "Python" }).count(), 0);
    await check(page, "jobs");
    await page.getByRole("button", { name: "OSIS", exact: true }).click();
    await page.locator(".tbody .tr", { hasText: "Python" }).first().waitFor();
    assert.match(await page.evaluate(() => location.hash), /^#\/jobs\?state=failed$/);
    await page.getByRole("button", { name: "Failure groups" }).click();
    await page.getByText("record # has no owner").waitFor();
    await check(page, "failure groups");
    await page.getByRole("button", { name: "List" }).click();
    await page.goBack();
    await visit(page, "#/jobs?caller=import&type=osis", "Jobs");
    await page.locator(".tbody .tr").nth(2).waitFor();
    await page.getByLabel("Select all that were read").check();
    await page.getByRole("toolbar").getByText("3 selected").waitFor();
    await page.getByRole("button", { name: "Delete…" }).click();
    await page.getByRole("dialog").getByText("cannot be undone").waitFor();
    await confirm(page);
    await page.getByText("No job matches").waitFor();
    assert.doesNotMatch(await server.cli("job", "ls", "--caller", "import", "--type", "osis", "-o", "json"), /no owner/);
  }],
  ["a new job is on the page within half a second", async ({ page, server }) => {
    await visit(page, "#/jobs?caller=quick", "Jobs");
    await page.getByText("No job matches").waitFor();
    await server.cli("job", "submit", "--caller", "quick", "1");
    await page.locator(".tbody .tr", { hasText: "quick" }).waitFor();
    // From the event to its row, both by the clock of this machine.
    await visit(page, "#/jobs?caller=quicker", "Jobs");
    await page.getByText("No job matches").waitFor();
    const shown = page.evaluate(() => new Promise((resolve) => {
      new MutationObserver((_, observer) => {
        const time = document.querySelector(".tbody .tr time")?.getAttribute("datetime");
        if (!time) return;
        observer.disconnect();
        resolve(Date.now() - Date.parse(time));
      }).observe(document.querySelector("#app"), { childList: true, subtree: true });
    }));
    await server.cli("job", "submit", "--type", "v", "--caller", "quicker", "1");
    const delay = await shown;
    console.log(`   it was there after ${delay} ms`);
    assert.ok(delay <= 500, `${delay} ms`);
  }],
  ["a queue is paused, resumed and purged, with its numbers", async ({ page, server }) => {
    await visit(page, "#/queue/sal", "SAL queue");
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByRole("dialog").getByText("wait until the queue is resumed").waitFor();
    await confirm(page, { reason: "stock taking" });
    await page.getByText("stock taking").first().waitFor();
    for (let n = 0; n < 3; n += 1) await server.cli("job", "submit", "--type", "sal", String(n));
    await page.locator(".tile", { hasText: "Queued" }).getByText("3", { exact: true }).waitFor();
    await check(page, "queue");
    await page.getByRole("button", { name: "Purge…" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("3 jobs that wait will be cancelled").waitFor();
    assert.ok(await dialog.locator("button[type=submit]").isDisabled());
    await confirm(page, { word: "SAL" });
    await page.locator(".tile", { hasText: "Queued" }).getByText("0", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Resume" }).click();
    await page.getByRole("button", { name: "Pause" }).waitFor();
    await page.locator(".chart canvas").nth(1).waitFor();
  }],
  ["settings show what changes, and are saved", async ({ page, server }) => {
    await visit(page, "#/queue/osis", "OSIS queue");
    await page.getByLabel("Most attempts").fill("two");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("That is no whole number").waitFor();
    await page.getByLabel("Most attempts").fill("2");
    await page.locator(".diff", { hasText: "Most attempts" }).waitFor();
    // What only the server knows to be wrong is said at its field, and nothing is changed.
    await page.getByLabel("Most actors").fill("100000");
    await page.getByRole("button", { name: "Save" }).click();
    await page.locator(".field", { hasText: "Most actors" }).locator(".field-error").waitFor();
    await page.getByLabel("Most actors").fill("");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("dialog").getByText("Most attempts: ").waitFor();
    await confirm(page);
    await notice(page, "Settings of OSIS saved");
    assert.match(await server.cli("script-type", "get", "osis", "-o", "json"), /"maxAttempts": ?2/);
    await page.locator(".notice", { hasText: "Settings of OSIS saved" }).getByRole("button", { name: "Undo" }).click();
    await until("the settings are those of before", async () => !/"maxAttempts": ?2/.test(await server.cli("script-type", "get", "osis", "-o", "json")));
  }],
  ["actors are scaled", async ({ page, server }) => {
    await visit(page, "#/queue/osis", "OSIS queue");
    await page.getByLabel("Actors", { exact: true }).and(page.locator("input")).fill("3");
    await page.getByRole("button", { name: "Scale" }).click();
    await confirm(page);
    await notice(page, "OSIS has 3 actors");
    await page.locator("section[aria-label=Actors]").getByText("osis_actor_2").waitFor();
    await visit(page, "#/actors?type=osis", "Actors");
    await page.locator(".tbody .tr").nth(2).waitFor();
    assert.equal((await server.json("actor", "ls", "--type", "osis")).actors.length, 3);
  }],
  ["an actor is stopped, started, restarted, pinged and deleted", async ({ page }) => {
    await visit(page, "#/actors", "Actors");
    await check(page, "actors");
    await page.getByRole("button", { name: "Stop: sal_actor_0" }).click();
    await page.getByRole("dialog").getByText("It has no job in flight").waitFor();
    await confirm(page, { reason: "cleaning" });
    await page.locator(".tbody .tr", { hasText: "sal_actor_0" }).getByText("stopped").waitFor();
    await page.getByRole("button", { name: "Start: sal_actor_0", exact: true }).click();
    await page.locator(".tbody .tr", { hasText: "sal_actor_0" }).getByText("running").waitFor();
    await page.locator(".tbody .tr", { hasText: "sal_actor_0" }).getByText(/\d MiB/).waitFor();
    await visit(page, "#/actor/sal_actor_0", "sal_actor_0");
    await page.locator("section[aria-label='What it uses']").getByText(/\d+ in \d+ processes/).waitFor();
    await page.getByRole("button", { name: "Ping" }).click();
    await notice(page, "sal_actor_0 answered in");
    await page.getByRole("button", { name: "Restart" }).click();
    await confirm(page);
    await notice(page, "sal_actor_0 runs again");
    await page.locator("section[aria-label='Last end of the process']").getByText("as requested").waitFor();
    await check(page, "actor");
    await visit(page, "#/actor/crashy", "crashy");
    await page.locator("main h1 .pill", { hasText: "crash loop" }).waitFor();
    await check(page, "crashed actor");
    await page.getByRole("button", { name: "Delete" }).click();
    await confirm(page, { word: "crashy" });
    await page.locator("main h1", { hasText: "Actors" }).waitFor();
    await page.locator(".tbody .tr", { hasText: "crashy" }).waitFor({ state: "detached" });
  }],
  ["events are filtered and paused", async ({ page, server }) => {
    await visit(page, "#/events?topic=queue", "Events");
    await page.locator(".tbody .tr", { hasText: "stock taking" }).first().waitFor();
    await check(page, "events");
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    await server.cli("queue", "pause", "v", "--reason", "while paused");
    await page.getByText(/Paused; \d+ events? since/).waitFor();
    assert.equal(await page.locator(".tbody .tr", { hasText: "while paused" }).count(), 0);
    await page.getByRole("button", { name: "Go on" }).click();
    await page.locator(".tbody .tr", { hasText: "while paused" }).first().waitFor();
    await server.cli("queue", "resume", "v");
  }],
  ["access tells how the page is protected", async ({ page }) => {
    await visit(page, "#/access", "Access");
    await page.getByText("no: the server asks for no token").waitFor();
    await check(page, "access");
  }],
  ["nasty texts are only ever text", async ({ page, made }) => {
    for (const id of made.nasty) {
      await visit(page, `#/job/${id}`, id);
      await page.locator("main h1 .pill", { hasText: "failed" }).waitFor();
      assert.equal(await page.locator("main svg[onload], main img, main script").count(), 0);
    }
    for (const id of made.results) {
      await visit(page, `#/job/${id}`, id);
      await page.locator("main h1 .pill", { hasText: "succeeded" }).waitFor();
      for (const view of ["Raw", "Text"]) {
        await page.getByRole("button", { name: view, exact: true }).click();
        assert.equal(await page.locator("main svg[onload], main img, main script, main b, main i").count(), 0);
      }
    }
    await check(page, "nasty results");
    await visit(page, "#/jobs", "Jobs");
    await page.locator(".tbody .tr").nth(5).waitFor();
    await visit(page, "#/jobs?caller=%3Cscript%3Ealert(1)%3C%2Fscript%3E", "Jobs");
    await check(page, "nasty jobs");
    await visit(page, "#/events", "Events");
    await check(page, "nasty events");
  }],
  ["keys lead everywhere", async ({ page }) => {
    await page.keyboard.press("Escape");
    await page.evaluate(() => document.activeElement?.blur());
    for (const [keys, title] of [["gj", "Jobs"], ["ga", "Actors"], ["gq", "Queues"], ["ge", "Events"], ["gr", "Run"], ["go", "Overview"]]) {
      await page.evaluate(() => document.activeElement?.blur());
      for (const key of keys) await page.keyboard.press(key);
      await page.locator("main h1", { hasText: title }).waitFor();
    }
    await page.keyboard.press("?");
    await page.getByRole("dialog").getByText("Move in a table").waitFor();
    await check(page, "help");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    // The browser takes the focus from what it no longer shows with its next frame.
    await page.waitForFunction(() => !document.activeElement?.closest("dialog"));
    await page.keyboard.press("/");
    await page.keyboard.type("osis_actor_0");
    await page.keyboard.press("Enter");
    await page.locator("main h1", { hasText: "osis_actor_0" }).waitFor();
  }],
  ["a viewer signs in, is offered no action, and is signed out when the token ends", async ({ browser, server, dist, made }) => {
    const guarded = new GuardedServer(server);
    try {
      const viewer = await guarded.token("viewer", "Eve");
      const operator = await guarded.token("operator", "Olaf");
      const admin = await guarded.token("admin", "Ada");
      const own = await guarded.start({ more: ["--audit-log", `${server.dir}/audit.ndjson`] });
      const url = dist ? await serveFiles(dist, guarded) : own;
      const page = await open(browser, url, { signIn: true });
      await page.getByRole("heading", { name: "Hero Supervisor" }).waitFor();
      await check(page, "sign in");
      await page.getByLabel("Token").fill("hst_wrong_token");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.locator(".failure").waitFor();
      await page.getByLabel("Token").fill(viewer.text);
      await page.getByRole("button", { name: "Sign in" }).click();
      await live(page);
      await page.locator(".who", { hasText: "Eve · viewer" }).waitFor().catch(async (error) => { throw new Error(`${await page.locator(".bar").innerText()}: ${error.message}`); });
      for (const [hash, title] of [["#/", "Overview"], ["#/queue/osis", "OSIS queue"], ["#/jobs", "Jobs"], ["#/actors", "Actors"], ["#/actor/osis_actor_0", "osis_actor_0"]]) {
        await visit(page, hash, title);
        await page.waitForTimeout(300);
        for (const name of ["Run a script", "Pause", "Purge…", "Scale", "Save", "Stop", "Restart", "Kill", "Delete", "Start", "Ping", "Change…"]) {
          assert.equal(await page.locator("main").getByRole("button", { name, exact: true }).count(), 0, `${hash} offers ${name}`);
        }
        assert.equal(await page.locator("main input[type=checkbox][aria-label^=Select]").count(), 0);
      }
      await check(page, "viewer");
      await visit(page, `#/job/${made.failed}`, made.failed);
      await page.getByText("Your roles do not show scripts, environments, results and logs.").waitFor();
      await page.locator("main h1 .pill", { hasText: "failed" }).waitFor();
      assert.equal(await page.locator(".script").count(), 0);
      await check(page, "job of a viewer");
      await visit(page, "#/access", "Access");
      await page.getByText("Only admins see who may call, and who has called").waitFor();
      assert.equal(await page.getByRole("region", { name: "Audit log" }).count(), 0);
      await check(page, "access of a viewer");
      await visit(page, "#/jobs", "Jobs");
      await page.reload();
      await live(page);
      assert.equal(await page.evaluate(() => JSON.stringify([document.cookie, sessionStorage.length, localStorage.getItem("hero-supervisor.token")])), '["",0,null]', "no script sees who it is");
      await guarded.revoke(viewer.id);
      await page.getByLabel("Token").waitFor({ timeout: 30_000 });
      await page.getByLabel("Token").fill(operator.text);
      await page.getByRole("button", { name: "Sign in" }).click();
      await live(page);
      await visit(page, "#/queue/osis", "OSIS queue");
      await page.getByRole("button", { name: "Pause" }).waitFor();
      await visit(page, "#/access", "Access");
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByText("hero-supervisor dashboard opens this page").waitFor();
      await guarded.cli("queue", "pause", "v", "--token", viewer.text).then(() => assert.fail("a revoked token is taken"), () => undefined);
      await guarded.cli("queue", "pause", "v", "--token", operator.text);
      await guarded.cli("queue", "resume", "v", "--token", operator.text);
      await page.getByLabel("Token").fill(admin.text);
      await page.getByRole("button", { name: "Sign in" }).click();
      await live(page);
      await visit(page, "#/access", "Access");
      const known = page.locator(".scroll-x[aria-label='Who may call']");
      await known.locator("tr", { hasText: admin.id }).filter({ hasText: "Ada" }).waitFor();
      assert.ok(!(await known.innerText()).includes(viewer.id), "a revoked token is not there");
      const log = page.locator(".scroll-x[aria-label='Audit log']");
      await log.locator("tr", { hasText: "ResumeQueue" }).filter({ hasText: "Olaf" }).first().waitFor();
      await page.getByLabel("refused only").check();
      await page.getByRole("button", { name: "Filter", exact: true }).click();
      await log.locator("tr", { hasText: "ResumeQueue" }).first().waitFor({ state: "detached" });
      await log.locator("tr", { hasText: "UNAUTHENTICATED" }).first().waitFor();
      const denied = await log.locator("tr", { hasText: "GetJob" }).filter({ hasText: "Eve" }).count();
      assert.ok(denied <= 8, `the page of a viewer has asked ${denied} times for what it may not see`);
      await check(page, "access of an admin");
      await page.context().close();
      // A code of the command line signs in by itself, once.
      const code = (await guarded.cli("dashboard", "--token", operator.text)).trim().split("#")[1];
      const coded = await open(browser, `${url}#${code}`);
      await coded.locator(".who", { hasText: "Olaf" }).waitFor();
      assert.ok(!coded.url().includes("login"), coded.url());
      await coded.context().close();
      const late = await open(browser, `${url}#${code}`, { signIn: true });
      await late.getByText("This code is not good, any more.").waitFor();
      await check(late, "a spent code");
      await late.context().close();
    } finally {
      guarded.stop();
    }
  }],
  ["a restart of the server is told and gone through", async ({ page, server }) => {
    await visit(page, "#/", "Overview");
    await server.stop();
    await page.getByText("The server does not answer.").waitFor();
    await page.getByRole("status").filter({ hasText: /^Away/ }).waitFor();
    await server.start();
    await live(page);
    await page.getByText("The server does not answer.").waitFor({ state: "hidden" });
    await server.cli("job", "run", "--caller", "later", "41 + 1");
    await visit(page, "#/jobs?caller=later", "Jobs");
    await page.locator(".tbody .tr", { hasText: "succeeded" }).waitFor();
    // What is shown is what the lists of the server have.
    await visit(page, "#/actors", "Actors");
    await until("the page has the actors of the list", async () => {
      // Actors are still being started.
      const { actors } = await server.json("actor", "ls");
      const rows = await page.locator(".tbody .tr").allInnerTexts();
      return rows.length === actors.length && actors.every((actor) => rows.some((row) =>
        row.includes(actor.actorId) && row.includes(actor.state.replace("STATE_", "").toLowerCase().replace("_", " "))));
    });
  }],
  ["a tab that nobody sees gives its connection back", async ({ page }) => {
    await visit(page, "#/", "Overview");
    await page.clock.install();
    await page.evaluate(() => {
      Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    });
    await page.clock.fastForward(31_000);
    await page.getByRole("status").filter({ hasText: "Resting" }).waitFor();
    await page.evaluate(() => {
      Object.defineProperty(document, "visibilityState", { value: "visible", configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    });
    await page.clock.resume();
    await live(page);
  }],
];
