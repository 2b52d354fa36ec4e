/** What stands where nothing is, addresses of what is not there, and tables by keys alone. */
import assert from "node:assert/strict";
import { check, open, visit } from "./browser.mjs";
import { Server } from "./server.mjs";

export const EMPTY = [
  ["where nothing is, the page says what to do next", async ({ browser, server }) => {
    const fresh = new Server(server.program, "");
    try {
      const page = await open(browser, await fresh.start());
      for (const [hash, title, says] of [
        ["#/", "Overview", "Nothing is down, stuck or failing"], ["#/jobs", "Jobs", "hero-supervisor job run '40 + 2'"],
        ["#/jobs?state=failed", "Jobs", "Clear the filters"], ["#/jobs?state=failed&view=groups", "Jobs", "No job that was read has failed"],
        ["#/actors", "Actors", "hero-supervisor actor create NAME --type osis"], ["#/queue/osis", "OSIS queue", "Jobs wait until there is an actor of this type"],
        ["#/run", "Run", "Jobs wait until there is an actor of this type"], ["#/events?severity=error", "Events", "Events appear here as they happen"],
      ]) {
        await visit(page, hash, title);
        await page.locator("main").getByText(says).first().waitFor();
        await check(page, `empty ${hash}`);
      }
      for (const [hash, says] of [["#/job/none", "This job cannot be shown"], ["#/actor/none", "none"], ["#/queue/none", "There is no queue none"], ["#/none", "There is no such page"]]) {
        await page.evaluate((to) => { location.hash = to; }, hash);
        const empty = page.locator("main .empty", { hasText: says });
        await empty.waitFor();
        assert.ok(await empty.getByRole("link").count() > 0, `${hash} leads nowhere`);
        await check(page, hash);
      }
      // Why a job waits is told, and what it says is true.
      const id = (await fresh.cli("job", "submit", "1", "-q")).trim();
      await visit(page, `#/job/${id}`, id);
      await page.getByText("Why it waits:").waitFor();
      await page.locator(".note", { hasText: /actor/ }).first().waitFor();
      // All reasons, and what is ahead.
      await page.getByText("0 jobs ahead of it.").waitFor();
      await fresh.cli("queue", "pause", "osis", "--reason", "inventory");
      await page.getByRole("button", { name: "Look again" }).click();
      await page.locator(".note li", { hasText: "inventory" }).waitFor();
      assert.equal(await page.locator(".note li").count(), 2);
      await check(page, "explanation");
      await page.context().close();
    } finally {
      await fresh.remove();
    }
  }],
  ["a table is used by keys alone", async ({ page }) => {
    await visit(page, "#/jobs", "Jobs");
    await page.locator(".tbody .tr").nth(5).waitFor();
    const table = page.getByRole("table", { name: "Jobs" });
    await table.focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Space");
    await page.getByRole("toolbar").getByText("1 selected").waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Shift+Space");
    await page.getByRole("toolbar").getByText("3 selected").waitFor();
    await check(page, "selected by keys");
    const row = await page.locator(".tbody .tr.focus a").first().getAttribute("title");
    await table.focus();
    await page.keyboard.press("Enter");
    await page.locator("main h1", { hasText: row }).waitFor();
    // A question is answered, and left, by keys; the focus goes back to where it was.
    await visit(page, "#/queue/osis", "OSIS queue");
    const pause = page.getByRole("button", { name: "Pause", exact: true });
    await pause.focus();
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await page.waitForFunction(() => document.activeElement?.textContent === "Pause");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").getByLabel("Reason").fill("by keys");
    await page.keyboard.press("Enter");
    await page.getByText("by keys").first().waitFor();
    await page.getByRole("button", { name: "Resume" }).click();
    await pause.waitFor();
  }],
];
