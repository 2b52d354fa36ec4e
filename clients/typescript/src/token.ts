import type { Interceptor } from "@connectrpc/connect";

import { isLoopback } from "./address.js";
import { SupervisorError } from "./errors.js";

/** Adds the token of now to each call; wherever an option of the transport leads it, not in the clear to another machine. */
export function showToken(current: () => string | Promise<string>): Interceptor {
  return (next) => async (request) => {
    const { origin, host } = urlOf(request.url);
    if (isPlain(request.url)) throw inTheClear(origin, host);
    request.header.set("authorization", `Bearer ${checkedToken(await current())}`);
    return next(request);
  };
}

/**
 * A token without the white space around it.
 *
 * @throws SupervisorError INVALID_ARGUMENT when it cannot be one.
 */
export function checkedToken(text: string): string {
  const token = text.trim();
  if (token === "") throw refused("the token is empty");
  if (!/^[!-~]+$/.test(token)) throw refused("the token is not one word of visible ASCII characters");
  return token;
}

/** Whether calls to a URL go to another machine in the clear. */
export function isPlain(url: string): boolean {
  const { protocol, hostname } = urlOf(url);
  return protocol === "http:" && !isLoopback(hostname);
}

/** A path is below the host of the page. */
function urlOf(url: string): URL {
  return new URL(url, globalThis.location?.href ?? "https://page.invalid");
}

/** What `connect` throws when what it was given cannot be. */
export function refused(message: string, cause?: unknown): SupervisorError {
  return new SupervisorError("INVALID_ARGUMENT", "", message, {}, 0, {}, cause === undefined ? {} : { cause });
}

/** What `connect` throws rather than to send a token where others can read it. */
export function inTheClear(address: string, place: string): SupervisorError {
  return refused(`${JSON.stringify(address)} would send the token in the clear to another machine: use https://${place}`);
}
