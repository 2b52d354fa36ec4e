/** Reads jobs as whole as the caller may see them. */
import { Code, ConnectError } from "@connectrpc/connect";
import { JobView, type Job, type SupervisorClient } from "hero-supervisor/web";
import * as session from "../session";

/** The identity that was refused scripts and results: it is not asked for them again, since each refusal is noted. */
let blind: string | undefined;

/** Whether an error says that the caller's roles do not allow it. */
export function isDenied(error: unknown): boolean {
  return ConnectError.from(error).code === Code.PermissionDenied;
}

/** Reads a job with its script and its result, or without them if the caller may not see them. */
export async function readJob(client: SupervisorClient, jobId: string, signal?: AbortSignal): Promise<Job | undefined> {
  const who = session.server.value?.identity?.id;
  const options = signal ? { signal } : {};
  if (who === undefined || blind !== who) {
    try {
      return (await client.calls.getJob({ jobId, view: JobView.FULL }, options)).job;
    } catch (error) {
      if (!isDenied(error)) throw error;
      blind = who;
    }
  }
  return (await client.calls.getJob({ jobId, view: JobView.BASIC }, options)).job;
}
