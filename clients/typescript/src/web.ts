/**
 * The client for browsers, over gRPC-Web. The server speaks it with pages whose origin it was told:
 * `hero-supervisor serve --grpc-web-origin https://dash.example.org`.
 *
 * @module
 */
import { createGrpcWebTransport, type GrpcWebTransportOptions } from "@connectrpc/connect-web";

import { parseAddress } from "./address.js";
import { SupervisorClient, repeatReads } from "./client.js";
import type { ClientOptions } from "./wait.js";

export * from "./api.js";

/** How to talk to a server. Options of the transport win over the defaults of this package. */
export type ConnectOptions = ClientOptions & Partial<GrpcWebTransportOptions>;

/**
 * Prepares a client for a server.
 *
 * @param url `http://host:port`, `https://host:port` or `host:port`; a path below one of them, or of the page's own host
 * (`/supervisor`), is that of a proxy.
 * @throws SupervisorError INVALID_ARGUMENT when it is none of these.
 */
export function connect(url: string, options: ConnectOptions = {}): SupervisorClient {
  const { failFast, log, address = url, ...transport } = options;
  const baseUrl = /^(https?:\/\/[^/]|\/)/.test(url) ? url : parseAddress(url, "host:port, http://host:port or https://host:port").baseUrl;
  return new SupervisorClient(
    createGrpcWebTransport({ baseUrl, ...transport, interceptors: [repeatReads, ...(transport.interceptors ?? [])] }),
    { address, ...(failFast !== undefined && { failFast }), ...(log && { log }) },
  );
}
