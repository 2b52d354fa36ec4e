/** A table of which only the rows that are seen exist. */
import { signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { T } from "../texts";

export interface Column<R> {
  title: string;
  /** Its width, in the words of CSS grids: `8rem`, `minmax(10rem, 1fr)`. */
  width: string;
  cell: (row: R) => ComponentChildren;
  /** Numbers stand at the right. */
  num?: boolean;
  /** Left out on narrow screens. */
  wide?: boolean;
}

interface Props<R> {
  name: string;
  rows: readonly R[];
  columns: Column<R>[];
  id: (row: R) => string;
  /** Where a row leads to. */
  open?: (row: R) => void;
  selected?: ReadonlySet<string>;
  select?: (id: string, on: boolean, range: boolean) => void;
  selectAll?: (on: boolean) => void;
  /** Called when the last rows come into view. */
  more?: (() => void) | undefined;
  /** Tells which rows are seen. */
  seen?: (rows: readonly R[]) => void;
}

const screen = matchMedia("(max-width: 60rem)");
const narrow = signal(screen.matches);
screen.addEventListener("change", () => (narrow.value = screen.matches));

const ROW = 38;
/** Rows beyond what is seen. */
const MARGIN = 8;

export function VirtualTable<R>({ name, rows, columns: all, id, open, selected, select, selectAll, more, seen }: Props<R>) {
  const columns = narrow.value ? all.filter((column) => !column.wide) : all;
  const box = useRef<HTMLDivElement>(null);
  const top = useSignal(0);
  const height = useSignal(600);
  const focus = useSignal(0);
  useEffect(() => {
    const observer = new ResizeObserver(() => (height.value = box.current?.clientHeight ?? 600));
    if (box.current) observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  const first = Math.max(0, Math.floor(top.value / ROW) - MARGIN);
  const last = Math.min(rows.length, Math.ceil((top.value + height.value) / ROW) + MARGIN);
  const shown = rows.slice(first, last);
  useEffect(() => {
    seen?.(shown);
    if (last >= rows.length) more?.();
  }, [first, last, rows]);
  const template = [...(select ? ["2.4rem"] : []), ...columns.map((column) => column.width)].join(" ");
  const grid = { gridTemplateColumns: template };
  const key = (event: KeyboardEvent): void => {
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12, Home: -rows.length, End: rows.length };
    const step = steps[event.key];
    const row = rows[focus.value];
    if (step !== undefined) {
      event.preventDefault();
      focus.value = Math.min(rows.length - 1, Math.max(0, focus.value + step));
      const y = focus.value * ROW;
      const view = box.current;
      if (view && y < view.scrollTop) view.scrollTop = y;
      else if (view && y + ROW * 2 > view.scrollTop + view.clientHeight) view.scrollTop = y + ROW * 2 - view.clientHeight;
    } else if (event.key === "Enter" && row && event.target === box.current) open?.(row);
    else if (event.key === " " && row && select && event.target === box.current) {
      event.preventDefault();
      select(id(row), !selected?.has(id(row)), event.shiftKey);
    }
  };
  return (
    <div
      class="table" ref={box} role="table" aria-label={name} aria-rowcount={rows.length + 1} tabIndex={0} onKeyDown={key}
      onScroll={(event) => (top.value = event.currentTarget.scrollTop)}
    >
      <div class="tr th" role="row" style={grid}>
        {select && (
          <span role="columnheader">
            <input
              type="checkbox" aria-label={T.selectAll} checked={rows.length > 0 && selected?.size === rows.length}
              onChange={(event) => selectAll?.(event.currentTarget.checked)}
            />
          </span>
        )}
        {columns.map((column) => (
          <span role="columnheader" key={column.title} class={column.num ? "num right" : ""}>{column.title}</span>
        ))}
      </div>
      <div class="tbody" role="rowgroup" style={{ height: `${rows.length * ROW}px` }}>
        {shown.map((row, index) => {
          const key = id(row);
          const on = selected?.has(key) ?? false;
          const at = first + index;
          return (
            <div
              class={`tr${on ? " on" : ""}${at === focus.value ? " focus" : ""}`} role="row" aria-rowindex={at + 2} key={key}
              style={{ ...grid, transform: `translateY(${at * ROW}px)` }}
              onClick={(event) => {
                focus.value = at;
                if (!(event.target as Element).closest("a,button,input,label")) open?.(row);
              }}
            >
              {select && (
                <span role="cell">
                  <input
                    type="checkbox" checked={on} aria-label={T.select(key)}
                    onClick={(event) => select(key, event.currentTarget.checked, event.shiftKey)}
                  />
                </span>
              )}
              {columns.map((column) => (
                <span role="cell" key={column.title} class={column.num ? "num right" : ""}>{column.cell(row)}</span>
              ))}
            </div>
          );
        })}
      </div>
    </div>
  );
}
