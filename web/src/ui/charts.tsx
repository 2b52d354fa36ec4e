/** Charts. Colours are those of the theme of now. */
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { clock } from "../format";

export interface Line {
  name: string;
  /** A colour of the theme, by its variable. */
  color: string;
  values: (number | null)[];
  fill?: boolean;
}

/** Changes with the theme: charts are drawn, and do not follow style sheets. */
export const themeCount = signal(0);

interface Props {
  name: string;
  /** Seconds since the epoch. */
  times: number[];
  lines: Line[];
  height?: number;
  format: (value: number) => string;
  /** Only whole numbers at the axis. */
  whole?: boolean;
}

/** Steps of an axis of whole numbers. */
const WHOLE = [1, 2, 5].flatMap((first) => Array.from({ length: 9 }, (_, power) => first * 10 ** power)).sort((a, b) => a - b);

export function Chart({ name, times, lines, height = 190, format, whole = false }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  const theme = themeCount.value;
  const data = [times, ...lines.map((line) => line.values)] as uPlot.AlignedData;
  const shape = lines.map((line) => line.name).join();
  useEffect(() => {
    const host = box.current;
    if (!host) return;
    const made = new uPlot(options(host, lines, height, format, whole), data, host);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: host.clientWidth, height }));
    observer.observe(host);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [theme, shape]);
  useEffect(() => plot.current?.setData(data));
  const latest = lines.map((line) => `${line.name} ${format(line.values.findLast((value) => value !== null) ?? 0)}`).join(", ");
  return (
    <figure class="chart" role="img" aria-label={`${name}: ${latest}`}>
      <div ref={box} aria-hidden="true" />
      <figcaption>
        {lines.map((line) => (
          <span class="key" key={line.name}><i class={`swatch ${line.color}`} aria-hidden="true" />{line.name}</span>
        ))}
      </figcaption>
    </figure>
  );
}

function options(host: HTMLElement, lines: Line[], height: number, format: (value: number) => string, whole: boolean): uPlot.Options {
  const css = getComputedStyle(document.documentElement);
  const color = (name: string): string => css.getPropertyValue(`--${name}`).trim();
  const axis = { stroke: color("muted"), grid: { stroke: color("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  return {
    width: Math.max(120, host.clientWidth),
    height,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    padding: [10, 8, 0, 0],
    scales: { x: { time: true }, y: { range: (_, __, max) => [0, Math.max(1, max * 1.15)] } },
    axes: [
      { ...axis, values: (_, splits) => splits.map((at) => clock(at * 1000, at * 1000).slice(0, 5)), space: 70, size: 26 },
      { ...axis, size: 58, values: (_, splits) => splits.map(format), space: 34, ...(whole && { incrs: WHOLE }) },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.name, stroke: color(line.color), width: 1.6, points: { show: false }, spanGaps: true,
        ...(line.fill && { fill: `${color(line.color)}22` }),
      })),
    ],
  };
}

/** A small curve without axes. */
export function Sparkline({ values, label, tone = "accent" }: { values: (number | undefined)[]; label: string; tone?: string }) {
  const [width, height] = [120, 26];
  const most = Math.max(1, ...values.map((value) => value ?? 0));
  const step = width / Math.max(1, values.length - 1);
  const at = (value: number, index: number): string =>
    `${(index * step).toFixed(1)},${(height - 2 - (value / most) * (height - 4)).toFixed(1)}`;
  const drawn = values.map((value, index) => at(value ?? 0, index));
  return (
    <svg class={`spark ${tone}`} viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={label}>
      <polygon points={`0,${height} ${drawn.join(" ")} ${width},${height}`} />
      <polyline points={drawn.join(" ")} />
    </svg>
  );
}
