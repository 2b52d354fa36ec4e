/**
 * The client for browsers, over gRPC-Web. The server speaks it with pages whose origin it was told:
 * `hero-supervisor serve --grpc-web-origin https://dash.example.org`.
 *
 * @module
 */
import { createGrpcWebTransport, type GrpcWebTransportOptions } from "@connectrpc/connect-web";

import { SupervisorClient, repeatReads } from "./client.js";

export * from "./api.js";

/** Prepares a client for the server at this URL. Options of the transport win over the defaults of this package. */
export function connect(url: string, options: Partial<GrpcWebTransportOptions> = {}): SupervisorClient {
  return new SupervisorClient(
    createGrpcWebTransport({ baseUrl: url, ...options, interceptors: [repeatReads, ...(options.interceptors ?? [])] }),
  );
}
