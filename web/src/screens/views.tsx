/** Filters that are kept under a name, in this browser. */
import { useSignal } from "@preact/signals";
import { href } from "../router";
import { T } from "../texts";
import { Plain } from "../ui/basics";

const KEPT = "hero-supervisor.views";
/** Views that are kept. */
const MOST = 20;

export interface View {
  name: string;
  query: Record<string, string>;
}

/** The views that are kept; whatever else is there is passed over. */
export function keptViews(text: string | null): View[] {
  try {
    const kept = JSON.parse(text ?? "[]") as unknown;
    return Array.isArray(kept) ? kept.filter(isView).slice(0, MOST) : [];
  } catch {
    return [];
  }
}

function isView(value: unknown): value is View {
  const { name, query } = (value ?? {}) as Partial<View>;
  return typeof name === "string" && typeof query === "object" && query !== null && Object.values(query).every((one) => typeof one === "string");
}

export function Views({ query }: { query: Readonly<Record<string, string>> }) {
  const views = useSignal(keptViews(localStorage.getItem(KEPT)));
  const name = useSignal<string | undefined>(undefined);
  const here = href(["jobs"], query);
  const keep = (next: View[]): void => {
    views.value = next.slice(-MOST);
    localStorage.setItem(KEPT, JSON.stringify(views.value));
    name.value = undefined;
  };
  const filtered = Object.entries(query).some(([key, value]) => key !== "view" && value !== "");
  if (views.value.length === 0 && !filtered) return null;
  return (
    <div class="row wrap" role="group" aria-label={T.savedViews}>
      {views.value.map((view) => (
        <span class="row view" key={view.name}>
          <a class="chip" href={href(["jobs"], view.query)} {...(href(["jobs"], view.query) === here && { "aria-current": "true" as const })}><Plain text={view.name} /></a>
          <button type="button" class="small quiet" aria-label={T.forgetView(view.name)} onClick={() => keep(views.value.filter((other) => other !== view))}>×</button>
        </span>
      ))}
      {filtered && (name.value === undefined
        ? <button type="button" class="small quiet" onClick={() => (name.value = "")}>{T.saveView}</button>
        : (
          <form class="row" onSubmit={(event) => {
            event.preventDefault();
            const given = name.value?.trim() ?? "";
            if (given !== "") keep([...views.value.filter((view) => view.name !== given), { name: given, query: { ...query } }]);
          }}>
            <input autofocus aria-label={T.viewName} placeholder={T.viewName} maxLength={60} value={name} onInput={(event) => (name.value = event.currentTarget.value)} />
            <button type="submit" class="small">{T.save}</button>
          </form>
        ))}
    </div>
  );
}
