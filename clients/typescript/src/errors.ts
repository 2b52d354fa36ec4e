import { BinaryReader } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";

import { JobError_Kind, Job_State, type Job, type JobError } from "./gen/hero/supervisor/v1/job_pb.js";

/** The domain of every google.rpc.ErrorInfo of a supervisor. */
export const ERROR_DOMAIN = "supervisor.hero";

/** What a call of a supervisor failed with, made readable for programs. */
export class SupervisorError extends Error {
  override readonly name: string = "SupervisorError";

  constructor(
    /** Code of gRPC, for instance "NOT_FOUND"; decide by it when you do not know the reason. */
    readonly code: string,
    /**
     * Name of an ErrorReason without its prefix; empty if the error does not come from a supervisor. Of this client's own
     * are WAIT_OVER, with a job that goes on, and NO_SERVER, when nobody answered and nothing is known of a job.
     */
    readonly reason: string,
    message: string,
    /** The variable parts of the message. */
    readonly metadata: Readonly<Record<string, string>> = {},
    /** How long to wait before the call is repeated, in milliseconds; 0 if the server did not say. */
    readonly retryAfterMs = 0,
    /** Refused fields by path, with reason INVALID_FIELD. */
    readonly fields: Readonly<Record<string, string>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /**
   * True when the server or the way to it is away, so that a harmless call is repeated. Servers answer INTERNAL only
   * with a reason; a connection that breaks may look like it without one. TIMED_OUT says that the server has lost an
   * answer itself: what was asked may have been done.
   */
  get lost(): boolean {
    return this.away || this.reason === "TIMED_OUT" || (this.reason === "" && this.code === "DEADLINE_EXCEEDED");
  }

  /**
   * True when the server or the way to it is away, so that a read is repeated. A way that breaks may look like CANCELLED,
   * INTERNAL or UNKNOWN; what a server itself says of this kind has a reason.
   */
  get away(): boolean {
    return this.code === "UNAVAILABLE" || (this.reason === "" && ["CANCELLED", "INTERNAL", "UNKNOWN"].includes(this.code));
  }
}

/**
 * The server does not know who is calling: the token or the certificate is missing, unknown, expired or revoked. Such a call is
 * never repeated, and a stream not resumed.
 */
export class UnauthenticatedError extends SupervisorError {
  override readonly name = "UnauthenticatedError";
}

/** The caller may not do this. Such a call is never repeated, and a stream not resumed. */
export class PermissionDeniedError extends SupervisorError {
  override readonly name = "PermissionDeniedError";
}

/** A wait or a watch that its caller has given up by a signal. Its cause is why: the signal's reason, or an error before. */
export class AbortError extends SupervisorError {
  override readonly name = "AbortError";

  constructor(reason: string, message: string, metadata: Readonly<Record<string, string>>, options: ErrorOptions) {
    super("CANCELLED", reason, message, metadata, 0, {}, options);
  }
}

/** Reads the error of any call, also of the generated methods. */
export function parseError(error: unknown): SupervisorError {
  if (error instanceof SupervisorError) return error;
  const told = ConnectError.from(error);
  let reason = "";
  let retryAfterMs = 0;
  const metadata: Record<string, string> = {};
  const fields: Record<string, string> = {};
  for (const detail of told.details) {
    if (!("type" in detail) || !(detail.value instanceof Uint8Array)) continue;
    switch (detail.type) {
      case "google.rpc.ErrorInfo": {
        const info = readErrorInfo(detail.value);
        if (info.domain !== ERROR_DOMAIN) break;
        reason = info.reason;
        Object.assign(metadata, info.metadata);
        break;
      }
      case "google.rpc.RetryInfo":
        retryAfterMs = readRetryDelay(detail.value);
        break;
      case "google.rpc.BadRequest":
        readViolations(detail.value, fields);
        break;
    }
  }
  // A connection that broke looks like a call that was cancelled or aborted; nobody did that. A server that aborts a call
  // says why.
  // A fetch that reaches nobody, or loses whom it has reached, fails with a TypeError.
  const broke =
    (told.code === Code.Unknown && told.cause instanceof TypeError) ||
    (told.code === Code.Canceled && told.rawMessage.startsWith("http/2 ")) ||
    (told.code === Code.Aborted && reason === "");
  const code = broke ? "UNAVAILABLE" : codeName(told.code);
  return new (kindOf(code))(code, reason, told.rawMessage, metadata, retryAfterMs, fields, { cause: error });
}

function kindOf(code: string): typeof SupervisorError {
  if (code === "UNAUTHENTICATED") return UnauthenticatedError;
  return code === "PERMISSION_DENIED" ? PermissionDeniedError : SupervisorError;
}

/** Waits for the answer of a generated call, and reads its error as `parseError` does. */
export async function told<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw parseError(error);
  }
}

/** NotFound → NOT_FOUND, and as gRPC spells it: CANCELLED. */
export function codeName(code: Code): string {
  if (code === Code.Canceled) return "CANCELLED";
  return (Code[code] ?? "Unknown").replace(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

/** Calls `field` for each field, with the reader standing at its value; what it does not read is passed over. */
function eachField(bytes: Uint8Array, field: (number: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (!field(number, reader)) reader.skip(type, number);
  }
}

function readPair(bytes: Uint8Array): [string, string] {
  const pair: [string, string] = ["", ""];
  eachField(bytes, (number, reader) => {
    if (number !== 1 && number !== 2) return false;
    pair[number - 1] = reader.string();
    return true;
  });
  return pair;
}

function readErrorInfo(bytes: Uint8Array): { reason: string; domain: string; metadata: Record<string, string> } {
  const info = { reason: "", domain: "", metadata: {} as Record<string, string> };
  eachField(bytes, (number, reader) => {
    if (number === 1) info.reason = reader.string();
    else if (number === 2) info.domain = reader.string();
    else if (number === 3) {
      const [key, value] = readPair(reader.bytes());
      info.metadata[key] = value;
    } else return false;
    return true;
  });
  return info;
}

function readRetryDelay(bytes: Uint8Array): number {
  let delay = 0;
  eachField(bytes, (number, reader) => {
    if (number !== 1) return false;
    eachField(reader.bytes(), (part, duration) => {
      if (part === 1) delay += Number(duration.int64()) * 1000;
      else if (part === 2) delay += duration.int32() / 1e6;
      else return false;
      return true;
    });
    return true;
  });
  return delay;
}

function readViolations(bytes: Uint8Array, fields: Record<string, string>): void {
  eachField(bytes, (number, reader) => {
    if (number !== 1) return false;
    const [path, description] = readPair(reader.bytes());
    fields[path] = description;
    return true;
  });
}

/** A job that ended without a result. */
export class JobFailed extends Error {
  override readonly name = "JobFailed";

  constructor(readonly job: Job) {
    super(
      job.state === Job_State.CANCELLED
        ? `job ${job.jobId} was cancelled: ${job.cancelReason}`
        : `job ${job.jobId} failed (${JobError_Kind[job.error?.kind ?? 0] ?? "unknown"}): ${describe(job.error)}`,
    );
  }
}

/** The message of an error of a script, and where in the script it is. */
function describe(error: JobError | undefined): string {
  const { message = "", line, column } = error ?? {};
  if (line === undefined) return message;
  return `${message} (line ${line}${column === undefined ? "" : `, column ${column}`})`;
}

/** The result of a job that has ended well; throws JobFailed for every other one. */
export function resultOf(job: Job): string {
  if (job.state !== Job_State.SUCCEEDED) throw new JobFailed(job);
  return job.result ?? "";
}
