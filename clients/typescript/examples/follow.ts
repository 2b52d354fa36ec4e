// Follows the lines of a job, and cancels it when it takes too long: node dist/examples/follow.js
import { Job_State, ScriptType, connect } from "hero-supervisor";

const client = connect();
const script = process.argv[2] ?? 'println("one"); sleep(1); println("two"); 3';
const handle = await client.submit(ScriptType.OSIS, script, { timeoutMs: 10_000 });
const tooLong = setTimeout(() => void handle.cancel("it took too long"), 30_000);
for await (const { text } of handle.logs()) console.log(text);
clearTimeout(tooLong);

const job = await handle.await();
console.log(`${handle.jobId}: ${Job_State[job.state]}`);
