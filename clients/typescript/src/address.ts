import { SupervisorError } from "./errors.js";

/** The environment variable that names the server when no address is given. */
export const SERVER_VARIABLE = "HERO_SUPERVISOR_SERVER";
/** Where `hero-supervisor serve` and `dev` listen unless told otherwise. */
export const DEFAULT_ADDRESS = "127.0.0.1:50051";

const GRAMMAR = "host:port, http://host:port, https://host:port or unix:/path";

const HOST_AND_PORT = /^(https?:\/\/)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?):(\d{1,5})\/?$/;

/** How a server is reached. */
export interface Address {
  /** The address as it was given. */
  text: string;
  /** Scheme, host and port of the calls; `http://localhost` over a Unix socket. */
  baseUrl: string;
  /** The path of a Unix socket. */
  socketPath?: string;
  /** Whether the text is host and port alone, which do not say whether the connection is encrypted. */
  bare: boolean;
  /** Whether the server is on this machine. */
  local: boolean;
}

/**
 * Reads `host:port`, `http://host:port`, `https://host:port` or `unix:/path`.
 *
 * @throws SupervisorError INVALID_ARGUMENT for any other text.
 */
export function parseAddress(text: string, grammar = GRAMMAR): Address {
  const refused = (): SupervisorError =>
    new SupervisorError("INVALID_ARGUMENT", "", `${JSON.stringify(text)} is not an address: use ${grammar}`);
  if (text.startsWith("unix:")) {
    if (!grammar.includes("unix:")) throw refused();
    const socketPath = text.slice("unix:".length).replace(/^\/\/(?=\/)/, "");
    if (!/^\/[^\0]+$/.test(socketPath) || socketPath.startsWith("//")) throw refused();
    return { text, baseUrl: "http://localhost", socketPath, bare: false, local: true };
  }
  const [, scheme, host, port] = HOST_AND_PORT.exec(text) ?? [];
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) throw refused();
  // A stroke ends a URL, and is nothing behind a port alone.
  if (scheme === undefined && text.endsWith("/")) throw refused();
  const baseUrl = `${scheme ?? "http://"}${host}:${port}`;
  if (!URL.canParse(baseUrl)) throw refused();
  return { text, baseUrl, bare: scheme === undefined, local: isLoopback(host) };
}

/** Whether a host is this machine. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[(::1|(0{0,4}:){1,7}0{0,3}1|::ffff:127(\.\d{1,3}){3})\])$/i.test(host);
}
