/** A browser, and what is checked on each screen. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const require = createRequire(import.meta.url);
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
/** Where Debian and others have it. */
const PROGRAMS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export async function launch() {
  const { existsSync } = await import("node:fs");
  const executablePath = process.env.CHROMIUM ?? PROGRAMS.find((path) => existsSync(path));
  if (!executablePath) throw new Error("there is no Chromium: .ci/install web");
  // Containers that run as root have no sandbox.
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

/** A page whose errors are collected: of scripts, of the policy, of the console. */
export async function open(browser, url, { signIn, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, reducedMotion: "reduce", ...options });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]).catch(() => undefined);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(`script: ${error.message}`));
  page.on("dialog", (dialog) => {
    page.faults.push(`a script of a text was run: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("console", (message) => {
    const text = message.text();
    // A server that is away is no fault of the page.
    if (message.type() === "error" && !/ERR_CONNECTION|ERR_EMPTY|ERR_INCOMPLETE|Failed to load resource|ERR_NETWORK/.test(text)) page.faults.push(`console: ${text}`);
  });
  await page.goto(url);
  if (!signIn) await live(page);
  return page;
}

/** Waits until what the page shows is true now. */
export async function live(page) {
  await page.getByRole("status").filter({ hasText: /^Live$/ }).waitFor({ timeout: 60_000 });
  await page.locator("main h1").first().waitFor();
}

/** Goes to a screen by its address. */
export async function visit(page, hash, title) {
  await page.evaluate((to) => { location.hash = to; }, hash);
  await page.locator("main h1").filter({ hasText: title }).first().waitFor();
}

/** Nothing serious or critical by axe, and no fault so far. */
export async function check(page, what) {
  // Axe is evaluated from outside, which the policy of the page does not forbid.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const bad = violations.filter((one) => one.impact === "serious" || one.impact === "critical");
  const told = bad.map((one) => `${one.id}: ${one.help}\n    ${one.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${node.failureSummary?.split("\n")[1] ?? ""}`).join("\n    ")}`);
  if (told.length > 0) throw new Error(`${what}: axe found\n  ${told.join("\n  ")}`);
  if (page.faults.length > 0) throw new Error(`${what}: ${page.faults.join("\n")}`);
}
