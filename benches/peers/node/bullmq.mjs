// A worker of BullMQ, and a caller that waits as its documentation says: waitUntilFinished with QueueEvents.
// Commands and answers of the caller are those of ../go/caller/caller.go.
import { createInterface } from "node:readline";
import { Queue, QueueEvents, Worker } from "bullmq";

const NAME = "bench";
const CONCURRENCY = 100;
const BATCH = 500;
const LIMIT_MS = 60_000;
const PAYLOAD = "x".repeat(100);
const RESULT = "result-ok";

const [part, port, database] = process.argv.slice(2);
const connection = { host: "127.0.0.1", port: Number(port), db: Number(database), maxRetriesPerRequest: null };

if (part === "worker") {
  const worker = new Worker(NAME, async () => RESULT, { connection, concurrency: CONCURRENCY });
  worker.on("error", fail);
} else if (part === "caller") {
  serve().catch(fail);
} else {
  fail(new Error("usage: bullmq.mjs worker|caller PORT DATABASE"));
}

function fail(error) {
  console.error(error);
  process.exit(1);
}

async function serve() {
  const queue = new Queue(NAME, { connection });
  const events = new QueueEvents(NAME, { connection });
  events.setMaxListeners(0);
  queue.setMaxListeners(0);
  await events.waitUntilReady();
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await obey(queue, events, line.split(" "))));
  }
  process.exit(0);
}

async function obey(queue, events, [command, ...words]) {
  switch (command) {
    case "run":
      return run(() => runJob(queue, events), Number(words[0]), Number(words[1]) * 1000);
    case "queue":
      return fill(queue, Number(words[0]));
    case "resume":
      await queue.resume();
      return {};
    case "left":
      return { left: await left(queue) };
    default:
      throw new Error(`no such command: ${command}`);
  }
}

async function runJob(queue, events) {
  const job = await queue.add("noop", { text: PAYLOAD });
  const result = await job.waitUntilFinished(events, LIMIT_MS);
  if (result !== RESULT) throw new Error(`job ${job.id}: result ${result}`);
}

async function run(job, callers, span) {
  const latencies = [];
  const begun = performance.now();
  const one = async () => {
    do {
      const sent = performance.now();
      await job();
      latencies.push(performance.now() - sent);
    } while (performance.now() - begun < span);
  };
  await Promise.all(Array.from({ length: callers }, one));
  const seconds = (performance.now() - begun) / 1000;
  const sorted = Float64Array.from(latencies).sort();
  return { jobs: sorted.length, seconds, p50_ms: percentile(sorted, 0.5), p99_ms: percentile(sorted, 0.99) };
}

function percentile(sorted, share) {
  return sorted[Math.max(Math.ceil(share * sorted.length) - 1, 0)];
}

// Without removeOnComplete BullMQ would also sort finished jobs into a set, which is slower.
async function fill(queue, jobs) {
  const begun = performance.now();
  await queue.pause();
  for (let number = 0; number < jobs; number += BATCH) {
    const length = Math.min(BATCH, jobs - number);
    const one = { name: "noop", data: { text: PAYLOAD }, opts: { removeOnComplete: true } };
    await queue.addBulk(Array.from({ length }, () => one));
  }
  return { jobs, seconds: (performance.now() - begun) / 1000 };
}

async function left(queue) {
  const counts = await queue.getJobCounts("wait", "paused", "active");
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
