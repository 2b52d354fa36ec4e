/** Who talks to the server, and with what: one client for the whole page. */
import type { Interceptor } from "@connectrpc/connect";
import { signal } from "@preact/signals";
import { connect, UnauthenticatedError, type GetServerInfoResponse, type SupervisorClient } from "hero-supervisor/web";

/** Where the token of this tab lies. It goes with the tab, and no other tab sees it. */
const KEY = "hero-supervisor.token";

/** What became of the stream of events, as the transport sees it. */
export interface StreamObserver {
  opened(): void;
  heard(): void;
  lost(): void;
}

/** The token of this tab; undefined where none is needed, or none was entered. */
export const token = signal<string | undefined>(sessionStorage.getItem(KEY) ?? undefined);
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
  const made = connect(base(), { interceptors: [observe], ...(token.value !== undefined && { token: token.value }) });
  client.value = made;
  return made;
}

/** Whether the caller's roles allow a call. A server that does not tell is asked, and may refuse. */
export function may(call: string): boolean {
  if (!server.value) return false;
  const { identity } = server.value;
  return identity === undefined || identity.allowedCalls.includes(call);
}

/** Takes a token for this tab. Nothing is remembered of it when the tab is closed. */
export function signIn(text: string): void {
  token.value = text;
  sessionStorage.setItem(KEY, text);
  mustSignIn.value = undefined;
}

/** Forgets the token. */
export function signOut(why: string): void {
  token.value = undefined;
  sessionStorage.removeItem(KEY);
  mustSignIn.value = why;
}

/** Whether an error says that nobody has signed in, or with what is no longer accepted. */
export function isSignedOut(error: unknown): boolean {
  return error instanceof UnauthenticatedError;
}
