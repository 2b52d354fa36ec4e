/** What changes, and from what to what. */
import { plain } from "../format";
import { T } from "../texts";

export interface Change {
  name: string;
  from: string;
  to: string;
}

export function Diff({ changes }: { changes: readonly Change[] }) {
  return (
    <div class="diff" role="group" aria-label={T.changes}>
      {changes.map(({ name, from, to }) => (
        <div key={name}><span>{plain(name)}</span> <del>{plain(from)}</del> → <ins>{plain(to)}</ins></div>
      ))}
    </div>
  );
}
