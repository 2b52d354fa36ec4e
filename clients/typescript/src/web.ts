/**
 * The client for browsers, over gRPC-Web. The server speaks it with pages whose origin it was told:
 * `hero-supervisor serve --grpc-web-origin https://dash.example.org`.
 *
 * @module
 */
import { createGrpcWebTransport, type GrpcWebTransportOptions } from "@connectrpc/connect-web";

import { parseAddress } from "./address.js";
import { SupervisorClient } from "./client.js";
import { repeatReads } from "./reads.js";
import { checkedToken, inTheClear, isPlain, showToken } from "./token.js";
import type { ClientOptions } from "./wait.js";

export * from "./api.js";

/** How to talk to a server. Options of the transport win over the defaults of this package. */
export type ConnectOptions = ClientOptions &
  Partial<GrpcWebTransportOptions> & {
    /**
     * Sent with each call, or what gives the token of now; never in the clear to another machine. Which CAs are trusted and which
     * certificate is shown is the browser's matter.
     */
    token?: string | (() => string | Promise<string>);
  };

/**
 * Prepares a client for a server.
 *
 * @param url `http://host:port`, `https://host:port` or `host:port`; a path below one of them, or of the page's own host
 * (`/supervisor`), is that of a proxy.
 * @throws SupervisorError INVALID_ARGUMENT when it is none of these, or a token would be sent in the clear to another machine.
 */
export function connect(url: string, options: ConnectOptions = {}): SupervisorClient {
  const { failFast, log, address = url, token, ...transport } = options;
  const baseUrl = /^(https?:\/\/[^/]|\/)/.test(url) ? url : webUrl(url, token !== undefined);
  const current = typeof token === "string" ? checked(token) : token;
  if (current && isPlain(baseUrl)) throw inTheClear(url, baseUrl.replace(/^http:\/\//, ""));
  const interceptors = [repeatReads, ...(current ? [showToken(current)] : []), ...(transport.interceptors ?? [])];
  return new SupervisorClient(createGrpcWebTransport({ baseUrl, ...transport, interceptors }), {
    address, ...(failFast !== undefined && { failFast }), ...(log && { log }),
  });
}

/** `host:port` is encrypted when there is a token for another machine. */
function webUrl(text: string, hasToken: boolean): string {
  const { baseUrl, bare, local } = parseAddress(text, "host:port, http://host:port or https://host:port");
  return bare && hasToken && !local ? baseUrl.replace("http://", "https://") : baseUrl;
}

function checked(token: string): () => string {
  const text = checkedToken(token);
  return () => text;
}
