/**
 * The client for Node, over gRPC.
 *
 * @module
 */
import { createGrpcTransport, type GrpcTransportOptions } from "@connectrpc/connect-node";
import { connect as connectSocket } from "node:net";

import { wayTo, type AccessOptions } from "./access.js";
import { DEFAULT_ADDRESS, SERVER_VARIABLE, parseAddress } from "./address.js";
import { SupervisorClient } from "./client.js";
import { repeatReads } from "./reads.js";
import { showToken } from "./token.js";
import type { ClientOptions } from "./wait.js";

export * from "./api.js";
export type { AccessOptions } from "./access.js";

/** How to talk to a server. Options of the transport win over the defaults of this package. */
export type ConnectOptions = ClientOptions & AccessOptions & Partial<GrpcTransportOptions>;

/**
 * Prepares a client; the connection is made with the first call, and made again whenever it is lost.
 *
 * @param address `host:port`, `http://host:port`, `https://host:port` or `unix:/path`; encrypted with https, and with
 * `host:port` when `cacert` or `clientCert` is given, or a token for another machine. Default: the environment variable
 * HERO_SUPERVISOR_SERVER, or 127.0.0.1:50051.
 * @throws SupervisorError INVALID_ARGUMENT when the address is none of these, a file cannot be read, or a token would be sent
 * in the clear to another machine.
 */
export function connect(address?: string, options: ConnectOptions = {}): SupervisorClient {
  const { failFast = false, log = console.warn, address: name, cacert, clientCert, clientKey, token, tokenFile, ...transport } = options;
  const place = parseAddress(address ?? (process.env[SERVER_VARIABLE] || DEFAULT_ADDRESS));
  const { text, socketPath } = place;
  const given = Object.entries({ cacert, clientCert, clientKey, token, tokenFile }).filter(([, value]) => value !== undefined);
  const way = wayTo(place, Object.fromEntries(given), process.env);
  return new SupervisorClient(
    createGrpcTransport({
      baseUrl: way.baseUrl,
      // The server answers pings that are no faster than this.
      pingIntervalMs: 60_000,
      pingTimeoutMs: 20_000,
      nodeOptions: socketPath === undefined ? { ...way.tls } : { createConnection: () => connectSocket(socketPath) },
      ...transport,
      interceptors: [repeatReads, ...(way.token ? [showToken(way.token)] : []), ...(transport.interceptors ?? [])],
    }),
    { failFast, log, address: name ?? text },
  );
}
