/** The address of a screen is behind the `#`, with its filters: it can be kept, sent and gone back to. */
import { computed, signal } from "@preact/signals";

export interface Route {
  /** The parts of the path: `["jobs"]`, `["job", "0199…"]`. */
  path: string[];
  query: Record<string, string>;
}

/** Reads what is behind the `#`. */
export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#?\/?/, "").split("?", 2);
  const parts = path.split("/").filter((part) => part !== "");
  return { path: parts.map(decode), query: Object.fromEntries(new URLSearchParams(query)) };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Writes an address; empty values are left out. */
export function href(path: string[], query: Record<string, string | undefined> = {}): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== "");
  const params = new URLSearchParams(given).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${params === "" ? "" : `?${params}`}`;
}

const hash = signal(typeof location === "undefined" ? "" : location.hash);

/** The screen of now. */
export const route = computed(() => parseRoute(hash.value));

/** Follows the address of the page. */
export function follow(): void {
  addEventListener("hashchange", () => {
    hash.value = location.hash;
    scrollTo(0, 0);
  });
}

export function go(path: string[], query: Record<string, string | undefined> = {}): void {
  location.hash = href(path, query);
}

/** Changes the filters of the screen of now; that is no step to go back to. */
export function refine(query: Record<string, string | undefined>): void {
  const { path, query: before } = route.value;
  history.replaceState(null, "", href(path, { ...before, ...query }));
  hash.value = location.hash;
}
