/** Keys of the whole page: `/` searches, `?` helps, `g` and a letter goes. */
import { go } from "./router";

const PLACES: Record<string, string[]> = {
  o: [], q: ["queues"], j: ["jobs"], a: ["actors"], e: ["events"], r: ["run"], x: ["access"],
};
/** Time within which the second key must come. */
const CHORD_MS = 1500;

export interface KeyActions {
  search: () => void;
  help: () => void;
  theme: () => void;
}

export function listen(actions: KeyActions): () => void {
  let began = 0;
  const key = (event: KeyboardEvent): void => {
    const target = event.target as Element | null;
    if (event.ctrlKey || event.metaKey || event.altKey || target?.closest("input,textarea,select,dialog")) return;
    const chord = Date.now() - began < CHORD_MS;
    began = 0;
    if (chord && PLACES[event.key]) {
      event.preventDefault();
      go(PLACES[event.key]!);
    } else if (event.key === "g") began = Date.now();
    else if (event.key === "/") {
      event.preventDefault();
      actions.search();
    } else if (event.key === "?") actions.help();
    else if (event.key === "t") actions.theme();
  };
  addEventListener("keydown", key);
  return () => removeEventListener("keydown", key);
}
