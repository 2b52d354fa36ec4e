// Submits many jobs at once, awaits them all and lists them: node dist/examples/batch.js
import { ScriptType, connect } from "hero-supervisor";

const client = connect();
const callerId = `batch-${process.pid}`;
const numbers = Array.from({ length: 20 }, (_, n) => n);
const submitted = await client.submitMany(
  numbers.map((n) => ({ scriptType: ScriptType.OSIS, script: `${n} * ${n}`, spec: { callerId } })),
  { timeoutMs: 10_000 },
);
const results = await Promise.all(
  submitted.map(({ handle, error }) => (handle ? handle.result({ timeoutMs: 60_000 }) : `refused: ${error.message}`)),
);
console.log(results.join(" "));

let listed = 0;
for await (const job of client.listJobs({ callerId, pageSize: 8 })) if (job.spec?.callerId === callerId) listed++;
console.log(`${listed} jobs of ${callerId}`);
