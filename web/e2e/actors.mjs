/** Actors whose definitions change, and actors that write and end as nastily as they can. */
import assert from "node:assert/strict";
import { check, visit } from "./browser.mjs";
import { NASTY } from "./faults.mjs";
import { until } from "./server.mjs";

/** No text of an actor is more than text. */
const onlyText = async (page) => assert.equal(await page.locator("main svg[onload], main img, main script, main pre b, main .log b").count(), 0);
/** A text without what a page does not show as it is. */
const shown = (text) => text.replace(/\u001b\[\d*m/g, "").replace(/[\u202a-\u202e\u200d]/g, "·");

export const ACTORS = [
  ["an actor shows what a restart will change, and takes it", async ({ page, server }) => {
    await server.cli("actor", "create", "changing", "--type", "sal", "--binary", "/bin/sleep", "--readiness", "process", "--env", "LEVEL=1", "--", "1000");
    await visit(page, "#/actor/changing", "changing");
    const differs = page.getByRole("region", { name: "What a restart changes" });
    await page.getByRole("region", { name: "Definition" }).getByText('"1000"').waitFor();
    assert.equal(await differs.count(), 0);
    await server.cli("actor", "update", "changing", "--", "2000");
    const args = differs.locator(".diff div", { hasText: "args" });
    await args.locator("del", { hasText: "1000" }).waitFor();
    await args.locator("ins", { hasText: "2000" }).waitFor();
    await page.getByText(/Changed .* ago/).waitFor();
    await check(page, "outdated actor");
    // A page that is opened later tells it, too, and what is secret is told by nobody.
    await server.cli("actor", "update", "changing", "--env", "LEVEL=2", "--", "1000");
    await differs.getByText("which are not shown").waitFor();
    await page.reload();
    await differs.getByText("which are not shown").waitFor();
    await page.getByRole("button", { name: "Restart" }).click();
    await page.getByRole("dialog").locator("button[type=submit]").click();
    await differs.waitFor({ state: "detached" });
    await server.cli("actor", "delete", "changing", "--yes");
  }],
  ["a definition is changed on the page, and not over a change of somebody else", async ({ page, server }) => {
    const args = ["--type", "sal", "--binary", "/bin/sleep", "--readiness", "process", "--env", "LEVEL=1", "--env", "API_TOKEN=hidden"];
    await server.cli("actor", "create", "edited", ...args, "--", "1000");
    const config = async () => (await server.json("actor", "get", "edited", "--env")).actor.config;
    await visit(page, "#/actor/edited", "edited");
    const definition = page.getByRole("region", { name: "Definition" });
    const change = async (from, to) => {
      await definition.getByRole("button", { name: "Change…" }).click();
      const text = definition.locator("textarea");
      assert.ok(!(await text.inputValue()).includes("hidden"), "values are not shown");
      await text.fill((await text.inputValue()).replace(from, to));
    };
    await change('"1000"', '"2000');
    await definition.getByText("That is no definition").waitFor();
    assert.ok(await definition.getByRole("button", { name: "Save" }).isDisabled());
    await definition.getByRole("button", { name: "Leave it as it is" }).click();
    await change('"1000"', '"2000"');
    await definition.locator(".diff", { hasText: "args" }).waitFor();
    await check(page, "edited definition");
    await definition.getByRole("button", { name: "Save" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Running jobs go on").waitFor();
    await dialog.getByText("As a command").click();
    await dialog.getByText(/UpdateActor/).waitFor();
    await check(page, "changed definition");
    await dialog.locator("button[type=submit]").click();
    await page.getByRole("region", { name: "What a restart changes" }).locator("ins", { hasText: "2000" }).waitFor();
    assert.deepEqual([(await config()).args, (await config()).env], [["2000"], { LEVEL: "1", API_TOKEN: "hidden" }]);
    await page.locator(".notice", { hasText: "Definition of edited changed" }).last().getByRole("button", { name: "Undo" }).click();
    await page.getByRole("region", { name: "What a restart changes" }).waitFor({ state: "detached" });
    // One variable gets another value, the other one keeps its own, and it is restarted.
    await change('"envNames": [\n    "API_TOKEN",\n    "LEVEL"\n  ]', '"envNames": ["API_TOKEN"], "env": {"LEVEL": "2"}');
    await definition.getByLabel("Restart it at once").check();
    await definition.getByRole("button", { name: "Save" }).click();
    await dialog.locator("button[type=submit]").click();
    await dialog.waitFor({ state: "hidden" });
    assert.deepEqual((await config()).env, { LEVEL: "2", API_TOKEN: "hidden" });
    // Somebody else was faster: nothing of the text is lost.
    await change('"1000"', '"3000"');
    await server.cli("actor", "update", "edited", "--label", "team=red");
    await definition.getByRole("button", { name: "Save" }).click();
    await dialog.locator("button[type=submit]").click();
    await dialog.locator(".failure", { hasText: "CONFLICT" }).waitFor();
    await page.keyboard.press("Escape");
    assert.match(await definition.locator("textarea").inputValue(), /"3000"/);
    await definition.getByRole("button", { name: "Leave it as it is" }).click();
    await server.cli("actor", "delete", "edited", "--yes");
  }],
  ["logs, ends and definitions of actors are only ever text", async ({ page, server }) => {
    await visit(page, "#/actor/nasty-writer", "nasty-writer");
    for (const text of NASTY) await page.locator(".log-line", { hasText: shown(text) }).first().waitFor();
    await page.locator(".log-line.err").first().waitFor();
    await page.locator(".log-line", { hasText: "␀" }).first().waitFor();
    await page.locator(".log-line", { hasText: `<b>${"x".repeat(100)}` }).first().waitFor();
    await page.getByRole("region", { name: "Definition" }).getByText("<img src=x onerror=alert(4)>").first().waitFor();
    await onlyText(page);
    await check(page, "log of an actor");
    await visit(page, "#/actor/nasty-ender", "nasty-ender");
    await page.locator("main h1 .pill", { hasText: "crash loop" }).waitFor();
    const last = page.getByRole("region", { name: "Last end of the process" });
    for (const text of NASTY.slice(-3)) await last.getByText(shown(text)).first().waitFor();
    await onlyText(page);
    await check(page, "end of an actor");
    // Why it was given up: what its health check wrote.
    await visit(page, "#/actor/nasty-check", "nasty-check");
    await last.getByText("<svg onload=alert(5)>").waitFor();
    await page.locator(".note", { hasText: "<svg onload=alert(5)>" }).waitFor();
    await onlyText(page);
    await check(page, "reason of an end");
    await visit(page, "#/", "Overview");
    await page.locator(".attention", { hasText: "nasty-check" }).getByText("<svg onload=alert(5)>").waitFor();
    await visit(page, "#/events", "Events");
    await page.locator(".tbody .tr").nth(5).waitFor();
    await onlyText(page);
    await check(page, "events of actors");
    for (const id of ["nasty-writer", "nasty-ender", "nasty-check"]) await server.cli("actor", "delete", id, "--yes", "--force");
    await until("they are gone", async () => !(await server.cli("actor", "ls", "-q")).includes("nasty"));
  }],
];
