/** A JSON value as a tree. */
import { plain } from "../format";
import { T } from "../texts";

/** Items of a list that are shown at once. */
const MOST = 200;

export function Tree({ value }: { value: unknown }) {
  return <div class="tree" tabIndex={0} role="group" aria-label={T.result}><Node value={value} depth={0} /></div>;
}

function Node({ name, value, depth }: { name?: string; value: unknown; depth: number }) {
  const label = name !== undefined && <span class="tree-name">{plain(name)}: </span>;
  if (value === null || typeof value !== "object") {
    return <div class="tree-leaf">{label}<span class={`tree-${value === null ? "null" : typeof value}`}>{plain(JSON.stringify(value) ?? "")}</span></div>;
  }
  const entries = Object.entries(value);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (entries.length === 0) return <div class="tree-leaf">{label}{open}{close}</div>;
  return (
    <details open={depth < 2}>
      <summary>{label}{open} {T.items(entries.length)} {close}</summary>
      <div class="tree-inner">
        {entries.slice(0, MOST).map(([key, inner]) => <Node key={key} name={key} value={inner} depth={depth + 1} />)}
        {entries.length > MOST && <div class="muted">{T.more(entries.length - MOST)}</div>}
      </div>
    </details>
  );
}
