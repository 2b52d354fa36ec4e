/** What an actor uses: the last hour or day as charts, and what it is now. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { ActorUsage } from "hero-supervisor/web";
import { bytes, count, cpu, memory, ms } from "../format";
import * as session from "../session";
import { state } from "../store/live";
import { T } from "../texts";
import { Card, Empty, Facts } from "./basics";
import { Chart } from "./charts";

/** Hours that can be shown. */
const SPANS = [1, 24] as const;
/** Samples of an hour, and points of a day before it. */
const MOST = 720 + 288;

export function Usage({ id }: { id: string }) {
  const hours = useSignal<number>(SPANS[0]);
  const past = useSignal<readonly ActorUsage[]>([]);
  const client = session.client.value!;
  useEffect(() => {
    const stop = new AbortController();
    past.value = [];
    const asked = { actorId: id, usageHistory: { seconds: BigInt(hours.value * 3600), nanos: 0 } };
    void client.calls.getActor(asked, { signal: stop.signal }).then(({ actor }) => (past.value = actor?.usageHistory ?? []), () => undefined);
    return () => stop.abort();
  }, [id, client, hours.value]);
  const now = state.usage.get(id);
  useEffect(() => {
    const last = past.value.at(-1);
    if (now && (ms(now.time) ?? 0) > (ms(last?.time) ?? 0)) past.value = [...past.value, now].slice(-MOST);
  }, [now]);
  const times = past.value.map((usage) => (ms(usage.time) ?? 0) / 1000);
  const choice = (
    <span class="row">{SPANS.map((one) => (
      <button type="button" key={one} class="chip-button" aria-pressed={hours.value === one} onClick={() => (hours.value = one)}>{T.usageSpan(one)}</button>
    ))}</span>
  );
  return (
    <Card title={T.usage} side={choice}>
      <p class="muted">{T.usageSub}</p>
      {times.length < 2 ? <Empty title={T.noUsage}>{T.noUsageMore}</Empty> : (
        <div class="halves">
          <Chart name={T.col.cpu} times={times} height={150} format={(percent) => cpu(percent * 10)}
            lines={[{ name: T.col.cpu, color: "accent", fill: true, values: past.value.map((usage) => (usage.cpuMillicores === undefined ? null : usage.cpuMillicores / 10)) }]} />
          <Chart name={T.col.memory} times={times} height={150} format={bytes}
            lines={[{ name: T.col.memory, color: "ok", fill: true, values: past.value.map((usage) => Number(usage.memoryBytes)) }]} />
        </div>
      )}
      {now && <Facts facts={[
        [T.col.cpu, cpu(now.cpuMillicores)],
        [T.col.memory, memory(now)],
        [T.col.files, now.openFiles === undefined ? T.none : count(now.openFiles)],
        [T.col.threads, T.threadsIn(now.threads, now.processes)],
      ]} />}
    </Card>
  );
}
