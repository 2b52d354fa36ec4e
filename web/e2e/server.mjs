/** A real `hero-supervisor dev` in a folder of its own, which can be ended and started again at the same address. */
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

/** Longest wait for a start, an end or a command on a busy machine. */
const LIMIT_MS = 60_000;

export class Server {
  #child;
  #dashboard = "127.0.0.1:0";

  constructor(program, actors) {
    this.program = program;
    this.actors = actors;
    this.dir = mkdtempSync(join(tmpdir(), "hero-dashboard-"));
    this.socket = join(this.dir, "s");
  }

  /** Starts it, and gives the URL of the dashboard. */
  async start() {
    const ready = join(this.dir, "ready");
    rmSync(ready, { force: true });
    const args = [
      "dev", "--data-dir", join(this.dir, "data"), "--actors", this.actors, "--listen", `unix:${this.socket}`,
      "--dashboard-listen", this.#dashboard, "--ready-file", ready,
    ];
    this.#child = spawn(this.program, args, { stdio: ["ignore", "ignore", "inherit"] });
    const told = await until("the server is ready", () => {
      if (this.#child.exitCode !== null) throw new Error(`the server ended with ${this.#child.exitCode}`);
      try {
        return JSON.parse(readFileSync(ready, "utf8"));
      } catch {
        return undefined;
      }
    });
    this.url = told.dashboard;
    this.#dashboard = new URL(this.url).host;
    return this.url;
  }

  /** Ends it in order; jobs stay in its Redis. */
  async stop() {
    const child = this.#child;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS / 2);
    await ended;
    clearTimeout(timer);
  }

  async remove() {
    const stopped = this.stop();
    // Nobody waits for its jobs any more: a second signal ends it at once.
    await sleep(500);
    this.#child?.kill("SIGTERM");
    await stopped;
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Runs a command of the program against it, and gives what it printed. */
  async cli(...args) {
    const options = { timeout: LIMIT_MS, env: { ...process.env, HERO_SUPERVISOR_SERVER: `unix:${this.socket}` }, maxBuffer: 64 << 20 };
    const { stdout } = await promisify(execFile)(this.program, args, options);
    return stdout.trim();
  }

  /** The same for a command that may fail. */
  async tries(...args) {
    try {
      return await this.cli(...args);
    } catch (error) {
      return `${error.stdout ?? ""}${error.stderr ?? ""}`;
    }
  }

  async json(...args) {
    return JSON.parse(await this.cli(...args, "-o", "json"));
  }
}

/** A `serve` on the Redis of a `dev`, which wants to know who calls. */
export class GuardedServer {
  #child;

  constructor(server) {
    this.server = server;
    this.tokens = join(server.dir, "tokens.toml");
  }

  /** Makes a token, and gives it with its id. */
  async token(role, name) {
    const text = await this.server.cli("token", "create", "--role", role, "--name", name, "-q", "--tokens-file", this.tokens);
    return { text, id: text.split("_")[1] };
  }

  async revoke(id) {
    await this.server.cli("token", "revoke", id, "--tokens-file", this.tokens);
  }

  /** Starts it; its dashboard at `listen`, with more flags. */
  async start({ listen = "127.0.0.1:0", more = [] } = {}) {
    const ready = join(this.server.dir, "guarded-ready");
    rmSync(ready, { force: true });
    const redis = readdirSync(this.server.dir, { recursive: true }).find((name) => name.endsWith("redis.sock"));
    const args = [
      "serve", "--redis-url", `unix://${join(this.server.dir, redis)}`, "--process-manager", "local", "--node", "guarded",
      "--listen", `unix:${join(this.server.dir, "guarded")}`, "--dashboard-listen", listen, "--auth-tokens-file", this.tokens,
      "--ready-file", ready, "--log-filter", "warn", ...more,
    ];
    this.#child = spawn(this.server.program, args, { stdio: ["ignore", "ignore", "inherit"] });
    await until("the guarded server is ready", () => existsSync(ready) || this.#child.exitCode !== null);
    this.url = JSON.parse(readFileSync(ready, "utf8")).dashboard;
    return this.url;
  }

  /** Runs a command of the program against it, and gives what it printed. */
  async cli(...args) {
    const options = { timeout: LIMIT_MS, env: { ...process.env, HERO_SUPERVISOR_SERVER: `unix:${join(this.server.dir, "guarded")}` } };
    return (await promisify(execFile)(this.server.program, args, options)).stdout;
  }

  stop() {
    this.#child?.kill("SIGKILL");
  }

  isGone() {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}

/** Waits for a fact. */
export async function until(what, fact, limit = LIMIT_MS) {
  const end = Date.now() + limit;
  for (;;) {
    const found = await fact();
    if (found) return found;
    if (Date.now() > end) throw new Error(`it was not so in time: ${what}`);
    await sleep(50);
  }
}
