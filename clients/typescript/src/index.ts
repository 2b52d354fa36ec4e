/**
 * The client for Node, over gRPC.
 *
 * @module
 */
import { createGrpcTransport, type GrpcTransportOptions } from "@connectrpc/connect-node";
import { connect as connectSocket } from "node:net";

import { DEFAULT_ADDRESS, SERVER_VARIABLE, parseAddress } from "./address.js";
import { SupervisorClient, repeatReads } from "./client.js";
import type { ClientOptions } from "./wait.js";

export * from "./api.js";

/** How to talk to a server. Options of the transport win over the defaults of this package. */
export type ConnectOptions = ClientOptions & Partial<GrpcTransportOptions>;

/**
 * Prepares a client; the connection is made with the first call, and made again whenever it is lost.
 *
 * @param address `host:port`, `http://host:port`, `https://host:port` or `unix:/path`; encrypted with https only. Default:
 * the environment variable HERO_SUPERVISOR_SERVER, or 127.0.0.1:50051.
 * @throws SupervisorError INVALID_ARGUMENT when the address is none of these.
 */
export function connect(address?: string, options: ConnectOptions = {}): SupervisorClient {
  const { failFast = false, log = console.warn, address: name, ...transport } = options;
  const { text, baseUrl, socketPath } = parseAddress(address ?? (process.env[SERVER_VARIABLE] || DEFAULT_ADDRESS));
  return new SupervisorClient(
    createGrpcTransport({
      baseUrl,
      // The server answers pings that are no faster than this.
      pingIntervalMs: 60_000,
      pingTimeoutMs: 20_000,
      ...(socketPath !== undefined && { nodeOptions: { createConnection: () => connectSocket(socketPath) } }),
      ...transport,
      interceptors: [repeatReads, ...(transport.interceptors ?? [])],
    }),
    { failFast, log, address: name ?? text },
  );
}
