import { readFileSync, statSync } from "node:fs";
import { rootCertificates, type SecureContextOptions } from "node:tls";

import type { Address } from "./address.js";
import { checkedToken, inTheClear, refused } from "./token.js";

/** Where systems keep the CAs that they trust; Node trusts a list of its own otherwise. */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
];

/**
 * Whom a client trusts, and how it shows who it is. What is left out is said by the environment: HERO_SUPERVISOR_CACERT,
 * HERO_SUPERVISOR_CLIENT_CERT, HERO_SUPERVISOR_CLIENT_KEY, HERO_SUPERVISOR_TOKEN and HERO_SUPERVISOR_TOKEN_FILE.
 */
export interface AccessOptions {
  /** File with the CAs that servers are trusted by (PEM). Default: the CAs of this machine. */
  cacert?: string;
  /** File with the certificate of this client (PEM). */
  clientCert?: string;
  /** File with its key. */
  clientKey?: string;
  /** Sent with each call; never in the clear to another machine. */
  token?: string;
  /** File with the token, which is read again when it has changed. */
  tokenFile?: string;
}

/** How an address is reached. */
export interface Way {
  baseUrl: string;
  /** What TLS is made with; none if the connection is plain. */
  tls?: SecureContextOptions;
  /** The token of now. */
  token?: () => string;
}

/**
 * Fills in what no option says from the environment, and decides whether the connection is encrypted: with https, and with
 * host and port alone when CAs or a certificate are given, or a token for another machine.
 *
 * @throws SupervisorError INVALID_ARGUMENT when what was given cannot be.
 */
export function wayTo(address: Address, options: AccessOptions, env: NodeJS.ProcessEnv): Way {
  const { cacert, clientCert, clientKey, token, tokenFile } = orEnvironment(options, env);
  if ((clientCert === undefined) !== (clientKey === undefined)) {
    throw refused("a client certificate and its key go together: give both");
  }
  const hasToken = token !== undefined || tokenFile !== undefined;
  const given = cacert !== undefined || clientCert !== undefined;
  const encrypted = address.baseUrl.startsWith("https:") || (address.bare && (given || (hasToken && !address.local)));
  const place = address.baseUrl.replace(/^https?:\/\//, "");
  if (hasToken && !encrypted && !address.local) throw inTheClear(address.text, place);
  return {
    baseUrl: encrypted ? `https://${place}` : address.baseUrl,
    ...(encrypted && { tls: context(cacert, clientCert, clientKey) }),
    ...(hasToken && { token: tokenOf(token, tokenFile) }),
  };
}

function orEnvironment(options: AccessOptions, env: NodeJS.ProcessEnv): AccessOptions {
  const said = (name: string): string | undefined => env[`HERO_SUPERVISOR_${name}`] || undefined;
  const found: Record<string, string | undefined> = { cacert: options.cacert ?? said("CACERT") };
  if (options.clientCert !== undefined || options.clientKey !== undefined) {
    Object.assign(found, { clientCert: options.clientCert, clientKey: options.clientKey });
  } else {
    Object.assign(found, { clientCert: said("CLIENT_CERT"), clientKey: said("CLIENT_KEY") });
  }
  if (options.token !== undefined || options.tokenFile !== undefined) {
    Object.assign(found, { token: options.token, tokenFile: options.tokenFile });
  } else {
    Object.assign(found, { token: said("TOKEN"), tokenFile: said("TOKEN_FILE") });
  }
  return found as AccessOptions;
}

function context(cacert?: string, clientCert?: string, clientKey?: string): SecureContextOptions {
  if (clientCert === undefined || clientKey === undefined) return { ca: roots(cacert) };
  const what = "the client certificate";
  return { ca: roots(cacert), cert: pem(clientCert, what, "CERTIFICATE"), key: pem(clientKey, what, "[A-Z ]*PRIVATE KEY") };
}

function roots(cacert: string | undefined): string[] {
  if (cacert !== undefined) return [pem(cacert, "the CA certificates", "CERTIFICATE")];
  const found = [process.env["SSL_CERT_FILE"], process.env["NODE_EXTRA_CA_CERTS"], ...BUNDLES].filter((path) => path && isFile(path));
  return [...rootCertificates, ...found.slice(0, 2).map((path) => readFileSync(path!, "utf8"))];
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function pem(path: string, what: string, kind: string): string {
  const text = read(path, `${what} cannot be read`);
  if (!new RegExp(`-----BEGIN ${kind}-----`).test(text)) {
    throw refused(`${what} cannot be read: ${path} holds no ${kind === "CERTIFICATE" ? "certificate" : "key"} in PEM`);
  }
  return text;
}

function read(path: string, failure: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw refused(`${failure}: ${(error as Error).message}`, error);
  }
}

/** The token of now: that of a file is read again when the file has changed, and stays while the file cannot be read. */
function tokenOf(token: string | undefined, path: string | undefined): () => string {
  if (token !== undefined && path !== undefined) throw refused("a token and a token file were given: give one of them");
  if (path === undefined) {
    const checked = checkedToken(token ?? "");
    return () => checked;
  }
  let seen = stamp(path);
  let current = fromFile(path);
  return () => {
    const now = stamp(path);
    if (now !== undefined && now !== seen) {
      try {
        current = fromFile(path);
        seen = now;
      } catch {
        // Half written; the next call looks again.
      }
    }
    return current;
  };
}

/** What changes with a file. */
function stamp(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found && `${found.mtimeNs} ${found.size} ${found.ino}`;
}

function fromFile(path: string): string {
  const text = read(path, "the token file cannot be read");
  try {
    return checkedToken(text);
  } catch (error) {
    throw refused(`the token file ${path}: ${(error as Error).message}`, error);
  }
}
