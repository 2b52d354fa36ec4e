// Runs one script and prints its result: node dist/examples/run.js
import { JobFailed, ScriptType, connect } from "hero-supervisor";

const client = connect();
const handle = await client.submit(ScriptType.OSIS, "40 + 2", { timeoutMs: 10_000 });
console.log(`job ${handle.jobId}`);
try {
  console.log(await handle.result({ timeoutMs: 60_000 }));
} catch (error) {
  if (!(error instanceof JobFailed)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
