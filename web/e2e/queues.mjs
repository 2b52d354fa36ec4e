/** Queues by name: created, filled, paused, changed, scaled and deleted. */
import assert from "node:assert/strict";
import { check, visit } from "./browser.mjs";
import { until } from "./server.mjs";

const NAME = "osis-night";
const notice = (page, text) => page.locator(".notice", { hasText: text }).first().waitFor();
const confirm = async (page, word) => {
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  if (word) await dialog.getByLabel(/^Type /).fill(word);
  await dialog.locator("button[type=submit]").click();
  await dialog.waitFor({ state: "hidden" });
};
const queue = async (server) => (await server.json("queue", "get", NAME)).queue;

export const QUEUES = [
  ["a queue by name is created, filled, changed, scaled and deleted", async ({ page, server }) => {
    await visit(page, "#/queues", "Queues");
    await page.getByLabel("Name").fill("Not a name");
    await page.getByRole("button", { name: "Create", exact: true }).click();
    await notice(page, "is not a queue name");
    await page.getByLabel("Name").fill(NAME);
    await page.getByLabel("Jobs of").selectOption("osis");
    await page.getByRole("button", { name: "Create", exact: true }).click();
    await page.getByRole("heading", { name: `${NAME} queue` }).waitFor();
    assert.equal((await queue(server)).scriptType, "SCRIPT_TYPE_OSIS");

    // Its jobs are in its row of the overview, and in the list of its jobs as they come.
    const first = await server.cli("job", "submit", "--type", "osis", "--queue", NAME, "6 * 7", "-q");
    await visit(page, "#/", "Overview");
    const row = page.locator("tr", { hasText: NAME });
    await row.getByText("no actors").waitFor();
    await row.locator("td").nth(2).getByText("1", { exact: true }).waitFor();
    await check(page, "overview with a queue by name");
    await row.locator("td").nth(2).locator("a").click();
    await page.locator(".tbody .tr").filter({ hasText: first.slice(-6) }).or(page.locator(".tbody .tr")).first().waitFor();
    assert.equal(await page.locator(".tbody .tr").count(), 1);
    await server.cli("job", "submit", "--type", "osis", "--queue", NAME, "1 + 1");
    await server.cli("job", "submit", "--type", "v", "1");
    await until("the new job is in the list, and no other", async () => (await page.locator(".tbody .tr").count()) === 2);
    await check(page, "jobs of a queue by name");

    await visit(page, `#/queue/${NAME}`, `${NAME} queue`);
    await page.getByRole("button", { name: "Pause" }).click();
    await confirm(page);
    await page.getByRole("button", { name: "Resume" }).waitFor();
    assert.equal((await queue(server)).status.paused, true);
    await page.getByLabel("Most waiting jobs").fill("7");
    await page.getByRole("button", { name: "Save" }).click();
    await confirm(page);
    await notice(page, `Settings of ${NAME} saved`);
    assert.equal((await queue(server)).status.settings.maxQueueDepth, 7);
    await check(page, "a queue by name");
    await page.getByRole("button", { name: "Resume" }).click();
    await page.getByRole("button", { name: "Pause" }).waitFor();

    // Actors are made from the template of its script type, take the jobs, and go.
    await page.getByLabel("Actors", { exact: true }).and(page.locator("input")).fill("1");
    await page.getByRole("button", { name: "Scale" }).click();
    await confirm(page);
    await until("its actor has run the job", async () => JSON.stringify(await server.json("job", "get", first)).includes("STATE_SUCCEEDED"));
    await page.getByText("osis-night_actor_0").first().waitFor();
    await visit(page, `#/job/${first}`, first);
    await page.locator(`a[href="#/queue/${NAME}"]`).first().waitFor();
    await visit(page, `#/queue/${NAME}`, `${NAME} queue`);
    await page.getByLabel("Actors", { exact: true }).and(page.locator("input")).fill("0");
    await page.getByRole("button", { name: "Scale" }).click();
    await confirm(page);
    await until("its actor is gone", async () => !(await server.cli("actor", "ls", "-q")).includes("osis-night"));

    await server.cli("queue", "pause", NAME);
    await server.cli("job", "submit", "--type", "osis", "--queue", NAME, "1");
    await page.locator(".tile", { hasText: "Queued" }).getByText("1", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Purge…" }).click();
    await confirm(page, NAME);
    await until("nothing waits", async () => ((await queue(server)).jobsQueued ?? 0) === 0);
    await page.getByRole("button", { name: "Delete queue" }).click();
    await confirm(page, NAME);
    await page.getByRole("heading", { name: "Queues", exact: true }).waitFor();
    // A page about nothing has no heading to wait for.
    await page.evaluate((hash) => { location.hash = hash; }, `#/queue/${NAME}`);
    await page.getByText(`There is no queue ${NAME}`).waitFor();
  }],
];
