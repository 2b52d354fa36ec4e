/** Each screen in both themes and on a narrow screen: checked, and with a folder drawn, for the documentation. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { check, open, visit } from "./browser.mjs";

/** Work that is under way while the pictures are made. */
async function busy(server) {
  // What only tests need is in no picture.
  await server.tries("actor", "delete", "nasty-writer", "nasty-ender", "nasty-check", "--yes", "--force");
  await server.cli("script-type", "set", "python", "--mode", "auto", "--min", "1", "--max", "3", "--target", "20", "--scale-out-delay", "1s");
  const file = join(server.dir, "busy");
  const job = (n) => ({
    scriptType: "python", script: `import time\n\ntime.sleep(${2 + (n % 7) / 2})\nprint("report ${n} written")\n`, callerId: ["reports", "billing", "import"][n % 3],
    labels: { team: ["blue", "green"][n % 2] },
  });
  const small = (n) => ({ scriptType: "osis", script: `let id = ${n};\nid * 2`, callerId: "shop" });
  for (let round = 0; round < 6; round += 1) {
    const jobs = [...Array.from({ length: 24 - round * 3 }, (_, n) => job(n)), ...Array.from({ length: 40 }, (_, n) => small(n))];
    writeFileSync(file, jobs.map((one) => JSON.stringify(one)).join("\n"));
    await server.cli("job", "submit", "--from-file", file, "-q");
    await sleep(4000);
  }
}

export async function look({ browser, url, server, made }, folder) {
  if (folder) await busy(server);
  const screens = [
    ["overview", "#/", "Overview"], ["queue", "#/queue/python", "Python queue"], ["jobs", "#/jobs", "Jobs"], ["job", `#/job/${made.failed}`, made.failed],
    ["run", "#/run?type=python", "Run"], ["actors", "#/actors", "Actors"], ["actor", "#/actor/sal_actor_0", "sal_actor_0"], ["events", "#/events", "Events"],
    ["access", "#/access", "Access"],
  ];
  for (const colorScheme of ["light", "dark"]) {
    const page = await open(browser, url, { colorScheme });
    for (const [name, hash, title] of screens) {
      await visit(page, hash, title);
      // Rows show their scripts once they were seen for a moment.
      await page.waitForTimeout(folder ? 1500 : 200);
      await check(page, `${name}, ${colorScheme}`);
      if (folder) await page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`) });
    }
    await page.context().close();
  }
  const narrow = await open(browser, url, { viewport: { width: 420, height: 860 } });
  for (const [name, hash, title] of screens) {
    await visit(narrow, hash, title);
    await narrow.waitForTimeout(folder ? 1500 : 200);
    await check(narrow, `${name}, narrow`);
    const wide = await narrow.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) throw new Error(`${name} is ${wide} pixels wider than a narrow screen`);
    if (folder) await narrow.screenshot({ path: join(folder, `${name}-narrow.png`) });
  }
  await narrow.context().close();
}
