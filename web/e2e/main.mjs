/**
 * The dashboard in a real browser against a real server: every screen, every action, a restart of the server in the middle.
 *
 *   node web/e2e/main.mjs PROGRAM [--shots FOLDER] [--only WORD] [--dist FOLDER]
 *
 * With --dist the page is that of a folder, whatever the program has in itself.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { ACTORS } from "./actors.mjs";
import { BEHIND } from "./behind.mjs";
import { launch, open } from "./browser.mjs";
import { EMPTY } from "./empty.mjs";
import { serveFiles } from "./proxy.mjs";
import { Server } from "./server.mjs";
import { JOBS } from "./jobs.mjs";
import { QUEUES } from "./queues.mjs";
import { STEPS } from "./steps.mjs";
import { faults } from "./faults.mjs";
import { look } from "./shots.mjs";

const [program, ...flags] = process.argv.slice(2);
const flag = (name) => (flags.includes(name) ? flags[flags.indexOf(name) + 1] : undefined);
if (!program) throw new Error("name the program: node web/e2e/main.mjs target/debug/hero-supervisor");

const server = new Server(program, "osis=2,python=1,sal=1");
let browser;
let failed = 0;
try {
  const own = await server.start();
  const dist = flag("--dist");
  const url = dist ? await serveFiles(dist, server) : own;
  const made = await faults(server);
  browser = await launch();
  const page = await open(browser, url);
  const only = flag("--only") ?? "";
  const shots = flag("--shots");
  if (shots) mkdirSync(shots, { recursive: true });
  const steps = [...STEPS, ...JOBS, ...ACTORS, ...QUEUES, ...EMPTY, ...BEHIND, ["every screen is readable in both themes and on a narrow screen", (stage) => look(stage, shots)]];
  for (const [name, step] of steps) {
    if (!name.includes(only)) continue;
    const began = Date.now();
    try {
      await step({ page, server, browser, url, made, dist });
      console.log(`ok ${name} (${Date.now() - began} ms)`);
    } catch (error) {
      failed += 1;
      const shot = join(tmpdir(), `dashboard-${name.replace(/\W+/g, "-")}.png`);
      await page.screenshot({ path: shot }).catch(() => undefined);
      console.log(`FAILED ${name} (${shot}): ${error.message}`);
      page.faults.length = 0;
    }
  }
} finally {
  await browser?.close();
  await server.remove();
}
process.exitCode = failed === 0 ? 0 : 1;
