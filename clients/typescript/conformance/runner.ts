// The runner of this client: it does what the driver of clients/conformance says, through the client as anybody uses it.
import { createRegistry, fromBinary, fromJson, toBinary, toJson, type DescMessage, type JsonValue, type Message } from "@bufbuild/protobuf";
import { createInterface } from "node:readline";

import * as api from "../src/index.js";
import {
  JobError_KindSchema, JobFailed, JobSchema, JobSpecSchema, ScriptTypeSchema, Supervisor, WatchEventsRequestSchema,
  WatchHealthRequestSchema, connect, file_hero_supervisor_v1_job, file_hero_supervisor_v1_supervisor_service, parseError, resultOf,
} from "../src/index.js";
import { connect as connectOverWeb } from "../src/web.js";

interface Command {
  id: number;
  do: string;
  address: string;
  scriptType: string;
  script: string;
  spec?: JsonValue;
  input?: JsonValue;
  requestId?: string;
  queue?: string;
  jobId: string;
  timeoutMs?: number;
  method: string;
  request: JsonValue;
  pauseAfter?: number;
  target: number;
  type: string;
  binary: string;
  json: JsonValue;
  cacert?: string;
  clientCert?: string;
  clientKey?: string;
  token?: string;
  tokenFile?: string;
  cancelOnWaitEnd?: boolean;
}

interface Operation {
  controller: AbortController;
  resume: () => void;
  resumed: Promise<void>;
}

// `runner.js web` goes over gRPC-Web, as a browser does.
const overWeb = process.argv[2] === "web";
const registry = createRegistry(file_hero_supervisor_v1_supervisor_service, file_hero_supervisor_v1_job);
const active = new Map<number, Operation>();
let client = connect("127.0.0.1:1");

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** What a command says of who is trusted and who calls. */
function access({ cacert, clientCert, clientKey, token, tokenFile }: Command): api.AccessOptions {
  const given = Object.entries({ cacert, clientCert, clientKey, token, tokenFile }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given);
}

/** A page is told whether its server is encrypted; whom it trusts, the browser knows: NODE_EXTRA_CA_CERTS says it here. */
function webUrl({ address, cacert }: Command): string {
  return address.includes("://") ? address : `${cacert === undefined ? "http" : "https"}://${address}`;
}

async function perform(command: Command, operation: Operation): Promise<JsonValue> {
  const { signal } = operation.controller;
  const wait = { signal, ...(command.timeoutMs === undefined ? {} : { timeoutMs: command.timeoutMs }) };
  switch (command.do) {
    case "connect":
      client = overWeb ? connectOverWeb(webUrl(command), command.token === undefined ? {} : { token: command.token }) : connect(command.address, access(command));
      return null;
    case "cancel":
      active.get(command.target)?.controller.abort();
      return null;
    case "resume":
      active.get(command.target)?.resume();
      return null;
    case "run": {
      const { requestId, jobId, queue, script, input, cancelOnWaitEnd = false } = command;
      const spec = fromJson(JobSpecSchema, command.spec ?? {});
      const scriptType = ScriptTypeSchema.values.find((value) => value.name === command.scriptType)?.number ?? 0;
      const job = await client.run(scriptType, script, { ...wait, spec, input, jobId, cancelOnWaitEnd, ...(requestId === undefined ? {} : { requestId }), ...(queue === undefined ? {} : { queue }) });
      return toJson(JobSchema, job);
    }
    case "await":
      return toJson(JobSchema, await client.await(command.jobId, wait));
    case "result": {
      const job = await client.await(command.jobId, wait);
      try {
        return { result: resultOf(job) };
      } catch (error) {
        if (!(error instanceof JobFailed)) throw error;
        return { failed: JobError_KindSchema.value[error.job.error?.kind ?? 0]?.name ?? "" };
      }
    }
    case "call": {
      const method = methodOf(command.method);
      const answer = await client.transport.unary(method as never, signal, command.timeoutMs, undefined, fromJson(method.input, command.request) as never);
      return toJson(method.output, answer.message as Message);
    }
    case "stream": {
      const method = methodOf(command.method);
      async function* only(): AsyncGenerator<Message> {
        yield fromJson(method.input, command.request);
      }
      const answer = await client.transport.stream(method as never, signal, command.timeoutMs, undefined, only() as never);
      return tell(command, operation, method.output, answer.message as AsyncIterable<Message>);
    }
    case "watchEvents":
      return tell(command, operation, api.WatchEventsResponseSchema, client.watchEvents(fromJson(WatchEventsRequestSchema, command.request), { signal }));
    case "watchHealth":
      return tell(command, operation, api.WatchHealthResponseSchema, client.watchHealth(fromJson(WatchHealthRequestSchema, command.request), { signal }));
    case "golden": {
      const schema = registry.getMessage(command.type)!;
      const message = fromBinary(schema, Buffer.from(command.binary, "hex"));
      const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
      return {
        json: toJson(schema, message),
        binary: hex(toBinary(schema, fromJson(schema, command.json))),
        again: hex(toBinary(schema, message)),
      };
    }
    default:
      throw new Error(`unknown command ${command.do}`);
  }
}

function methodOf(name: string): (typeof Supervisor.methods)[number] {
  return Supervisor.methods.find((method) => method.name === name)!;
}

/** Passes on what a stream gives, and stops reading where it is told to. */
async function tell(command: Command, operation: Operation, schema: DescMessage, messages: AsyncIterable<Message>): Promise<null> {
  let count = 0;
  for await (const message of messages) {
    say({ id: command.id, item: toJson(schema, message) });
    if (++count === command.pauseAfter) await operation.resumed;
  }
  return null;
}

async function answer(command: Command): Promise<void> {
  let resume = (): void => {};
  const resumed = new Promise<void>((resolve) => (resume = resolve));
  const operation = { controller: new AbortController(), resume, resumed };
  active.set(command.id, operation);
  try {
    say({ id: command.id, ok: await perform(command, operation) });
  } catch (error) {
    const told = parseError(error);
    const { code, reason, message, metadata, retryAfterMs, fields } = told;
    const denied = told instanceof api.PermissionDeniedError ? "permission_denied" : "";
    const refusal = told instanceof api.UnauthenticatedError ? "unauthenticated" : denied;
    say({ id: command.id, error: { code, reason, message, metadata, retryAfterMs, fields, refusal } });
  } finally {
    active.delete(command.id);
  }
}

const input = createInterface({ input: process.stdin });
input.on("line", (line) => void answer(JSON.parse(line) as Command));
input.on("close", () => process.exit(0));
