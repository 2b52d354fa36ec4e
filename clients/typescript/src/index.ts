/**
 * The client for Node, over gRPC.
 *
 * @module
 */
import { createGrpcTransport, type GrpcTransportOptions } from "@connectrpc/connect-node";

import { SupervisorClient, repeatReads } from "./client.js";

export * from "./api.js";

/**
 * Prepares a client; the connection is made with the first call, and made again whenever it is lost.
 *
 * @param address "127.0.0.1:50051", or a URL; without https:// the connection is not encrypted.
 * @param options Options of the transport; they win over the defaults of this package.
 */
export function connect(address: string, options: Partial<GrpcTransportOptions> = {}): SupervisorClient {
  return new SupervisorClient(
    createGrpcTransport({
      baseUrl: address.includes("://") ? address : `http://${address}`,
      // The server answers pings that are no faster than this.
      pingIntervalMs: 60_000,
      pingTimeoutMs: 20_000,
      ...options,
      interceptors: [repeatReads, ...(options.interceptors ?? [])],
    }),
  );
}
