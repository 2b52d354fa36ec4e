/** Who talks to the server, and with what: one client for the whole page. */
import type { Interceptor } from "@connectrpc/connect";
import { signal } from "@preact/signals";
import { connect, UnauthenticatedError, type GetServerInfoResponse, type SupervisorClient } from "hero-supervisor/web";
import { T } from "./texts";

/** What became of the stream of events, as the transport sees it. */
export interface StreamObserver {
  opened(): void;
  heard(): void;
  lost(): void;
}

/** Why somebody has to sign in; undefined while nobody has to. */
export const mustSignIn = signal<string | undefined>(undefined);
/** The server, as it last told of itself. */
export const server = signal<GetServerInfoResponse | undefined>(undefined);
/** The version of the server that has served this page, as far as it was told. */
let first = "";

/** The version of the server, if it is another one by now: its page may be, too. */
export function newVersion(): string | undefined {
  const version = server.value?.version ?? "";
  first ||= version;
  return version === first ? undefined : version;
}

/** The client of now. */
export const client = signal<SupervisorClient | undefined>(undefined);

let observer: StreamObserver | undefined;

/** The folder of the page: a proxy may serve it below a path. */
export function base(): string {
  return location.pathname.replace(/[^/]*$/, "");
}

const observe: Interceptor = (next) => async (request) => {
  if (request.method.name !== "WatchEvents") return next(request);
  try {
    const response = await next(request);
    if (!response.stream) return response;
    observer?.opened();
    return { ...response, message: heard(response.message) } as typeof response;
  } catch (error) {
    observer?.lost();
    throw error;
  }
};

async function* heard<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    for await (const message of messages) {
      observer?.heard();
      yield message;
    }
  } finally {
    // The end of the stream is a loss too: it is opened again behind its last message.
    observer?.lost();
  }
}

/** Prepares the client; `watch` hears of the stream of events. */
export function open(watch: StreamObserver): SupervisorClient {
  observer = watch;
  const made = connect(base(), { interceptors: [observe] });
  client.value = made;
  return made;
}

/** Whether the caller's roles allow a call. A server that does not tell is asked, and may refuse. */
export function may(call: string): boolean {
  if (!server.value) return false;
  const { identity } = server.value;
  return identity === undefined || identity.allowedCalls.includes(call);
}

/** Trades a token for a session: a cookie that no script sees. The token is not kept. */
export async function signIn(token: string): Promise<void> {
  const { code } = await connect(base(), { token, failFast: true }).calls.createLoginCode({});
  await redeem(code);
}

/** Opens a session by a code, which is good once. */
export async function redeem(code: string): Promise<void> {
  const answer = await fetch(`${base()}session`, { method: "POST", headers: { "x-login-code": code } });
  if (!answer.ok) throw new Error(T.codeSpent);
  mustSignIn.value = undefined;
}

/** Ends the session. */
export async function signOut(): Promise<void> {
  await fetch(`${base()}session`, { method: "DELETE" }).catch(() => undefined);
  ended(T.signedOut);
}

/** Asks for another sign-in. */
export function ended(why: string): void {
  mustSignIn.value = why;
}

/** Whether somebody is signed in, as the server has told. */
export function isSignedIn(): boolean {
  return (server.value?.identity?.id ?? "") !== "";
}

/** Whether an error says that nobody has signed in, or with what is no longer accepted. */
export function isSignedOut(error: unknown): boolean {
  return error instanceof UnauthenticatedError;
}
