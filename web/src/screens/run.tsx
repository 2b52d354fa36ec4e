import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { Job_State, ScriptType, type Job } from "hero-supervisor/web";
import { origin } from "../actions";
import { commands } from "../commands";
import { ALL_TYPES, ended, scriptType, typeOf, typeWord } from "../format";
import { href, refine, route } from "../router";
import * as session from "../session";
import { onEvent, state, tick } from "../store/live";
import { T } from "../texts";
import { Code, Field, Heading, JobLink, JobPill, Plain } from "../ui/basics";
import { snippets } from "../snippets";
import { CommandLines, failureText, Snippets } from "../ui/dialog";
import { added, Log, type LogLine } from "../ui/log";
import { PRIORITIES, Script } from "./job";
import { parseSpan } from "./settings";

/** What was typed stays for this tab, also while the server is away or somebody signs in. */
const KEPT = "hero-supervisor.script";
/** Options that are texts. */
const OPTIONS = ["labels", "timeout", "attempts", "actor"] as const;
const SAMPLES: Record<string, string> = {
  osis: 'let sum = 0;\nfor n in range(1, 11) {\n    print("adding " + n);\n    sum += n;\n}\nsum',
  sal: 'let files = ls("/etc", "*.conf");\nprint("found " + files.len());\nfiles.len()',
  v: "fn main() {\n\tfor n in 1 .. 4 {\n\t\tprintln('line ${n}')\n\t}\n}",
  python: 'import json, time\n\nfor n in range(1, 6):\n    print("step", n, flush=True)\n    time.sleep(0.2)\n\nresult = {"steps": 5, "ok": True}\nprint(json.dumps(result))',
};

export function Run() {
  tick.value;
  const { query } = route.value;
  const kept = useMemo(keptDraft, []);
  const word = useSignal(typeOf(query["type"] ?? "") ? query["type"]! : kept.type);
  const scripts = useSignal<Record<string, string>>(kept.scripts);
  const [input, labels, timeout] = [useSignal(kept.input), useSignal(kept.labels), useSignal(kept.timeout)];
  const [attempts, actor, priority] = [useSignal(kept.attempts), useSignal(kept.actor), useSignal(kept.priority)];
  const errors = useSignal<Record<string, string>>({});
  const busy = useSignal(false);
  const shown = useSignal("");
  const client = session.client.value!;
  const type = typeOf(word.value) ?? ScriptType.OSIS;
  const script = scripts.value[word.value] ?? SAMPLES[word.value] ?? "";
  const set = (text: string): void => {
    scripts.value = { ...scripts.value, [word.value]: text };
  };
  useSignalEffect(() => {
    const draft: Kept = {
      type: word.value, scripts: scripts.value, input: input.value, labels: labels.value, timeout: timeout.value, attempts: attempts.value,
      actor: actor.value, priority: priority.value,
    };
    sessionStorage.setItem(KEPT, JSON.stringify(draft));
  });
  useEffect(() => {
    const asked = query["type"];
    if (asked !== undefined && typeOf(asked)) word.value = asked;
  }, [query["type"]]);
  useEffect(() => {
    const from = query["from"];
    if (!from) return;
    void client.getJob(from).then(({ spec }) => {
      if (!spec) return;
      word.value = typeWord(spec.scriptType);
      set(spec.script);
      input.value = spec.input;
      priority.value = spec.priority ?? 3;
      labels.value = Object.entries(spec.labels).map(([name, value]) => `${name}=${value}`).join(", ");
      // From here on it is a draft: reading the job once more would undo what is typed.
      refine({ from: undefined, type: typeWord(spec.scriptType) });
    }, (error: unknown) => (errors.value = { "": failureText(error) }));
  }, [query["from"], client]);
  const submit = async (): Promise<void> => {
    if (busy.value) return;
    const pairs = labels.value.split(",").map((pair) => pair.trim()).filter((pair) => pair !== "");
    const span = timeout.value === "" ? undefined : parseSpan(timeout.value);
    errors.value = {
      ...(pairs.some((pair) => !pair.includes("=")) && { labels: T.notLabels }),
      ...(timeout.value !== "" && !span && { timeout: T.notASpan }),
      ...(attempts.value !== "" && !/^\d+$/.test(attempts.value) && { attempts: T.notANumber }),
      ...(input.value.trim() !== "" && !isJson(input.value) && { input: T.notJson }),
      ...(script.trim() === "" && { script: T.noScript }),
    };
    if (Object.keys(errors.value).length > 0) return;
    busy.value = true;
    try {
      const handle = await client.submit(type, script, {
        failFast: true,
        spec: {
          // The text as it was typed: another spelling of a number would be another number.
          input: input.value.trim(),
          labels: Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)])),
          ...(span && { runTimeout: span }),
          ...(attempts.value !== "" && { retryPolicy: { maxAttempts: Number(attempts.value) } }),
          ...(actor.value !== "" && { targetActorId: actor.value }),
          ...(priority.value !== 3 && { priority: priority.value }),
        },
      });
      shown.value = handle.jobId;
    } catch (error) {
      errors.value = { "": failureText(error) };
    } finally {
      busy.value = false;
    }
  };
  const actors = [...state.actors.values()].filter((one) => one.config?.scriptType === type);
  // What was set before is not hidden, and no error is.
  const isSet = OPTIONS.some((name) => kept[name] !== "") || kept.priority !== NOTHING.priority;
  return (
    <>
      <Heading title={T.run} sub={T.runSub} />
      <div class="run-grid">
        <section class="card editor" aria-label={T.script}>
          <header class="card-head">
            <div class="segmented" role="group" aria-label={T.language}>
              {ALL_TYPES.filter((one) => state.types.has(one)).map((one) => (
                <button type="button" key={one} aria-pressed={typeWord(one) === word.value} onClick={() => { word.value = typeWord(one); refine({ type: typeWord(one), from: undefined }); }}>{scriptType(one)}</button>
              ))}
            </div>
            <button type="button" class="primary" disabled={busy.value} onClick={() => void submit()}>{busy.value ? T.working : T.runButton}</button>
          </header>
          <textarea
            class="code" aria-label={T.script} value={script} spellcheck={false} rows={16}
            onInput={(event) => set(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); void submit(); }
            }}
          />
          <div class="pad">
            <Field label={T.input} hint={T.inputHint} error={errors.value["input"]}><input class="code" value={input} placeholder='{"name": "Ann"}' spellcheck={false} onInput={(event) => (input.value = event.currentTarget.value)} /></Field>
          </div>
          {errors.value["script"] && <p class="failure pad" role="alert">{errors.value["script"]}</p>}
          {errors.value[""] && <p class="failure pad" role="alert"><Plain text={errors.value[""]} /></p>}
          <details class="pad" open={isSet || OPTIONS.some((name) => errors.value[name])}>
            <summary>{T.options}</summary>
            <div class="form-grid">
              <Field label={T.col.labels} hint={T.labelsHint} error={errors.value["labels"]}><input value={labels} placeholder="team=blue" onInput={(event) => (labels.value = event.currentTarget.value)} /></Field>
              <Field label={T.runTimeout} hint={T.spanHint} error={errors.value["timeout"]}><input value={timeout} placeholder="5m" onInput={(event) => (timeout.value = event.currentTarget.value)} /></Field>
              <Field label={T.attempts} hint={T.attemptsHint} error={errors.value["attempts"]}><input value={attempts} placeholder="1" onInput={(event) => (attempts.value = event.currentTarget.value)} /></Field>
              <Field label={T.priority} hint={T.priorityHint}>
                <select value={priority} onChange={(event) => (priority.value = Number(event.currentTarget.value))}>
                  {PRIORITIES.map((one) => <option key={one} value={one}>{T.priorityOf(one)}</option>)}
                </select>
              </Field>
              <Field label={T.onlyActor}>
                <select value={actor} onChange={(event) => (actor.value = event.currentTarget.value)}>
                  <option value="">{T.anyActor}</option>
                  {actors.map((one) => <option key={one.actorId} value={one.actorId}>{one.actorId}</option>)}
                </select>
              </Field>
            </div>
            <CommandLines command={commands.submitJob(origin(), type, script, input.value.trim())} />
            <Snippets all={snippets(origin(), type, script, input.value.trim())} />
          </details>
        </section>
        {shown.value === "" ? (
          <section class="card" aria-label={T.outcome}><div class="empty"><strong>{T.nothingRun}</strong><p>{actors.length === 0 ? T.noActorsQueue : T.nothingRunMore}</p></div></section>
        ) : <Followed id={shown.value} />}
      </div>
    </>
  );
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** What was typed. */
interface Kept {
  type: string;
  scripts: Record<string, string>;
  input: string;
  labels: string;
  timeout: string;
  attempts: string;
  actor: string;
  priority: number;
}

const NOTHING: Kept = { type: "osis", scripts: {}, input: "", labels: "", timeout: "", attempts: "", actor: "", priority: 3 };

function keptDraft(): Kept {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}") as Record<string, unknown>;
    const fits = Object.entries(NOTHING).every(([name, value]) => typeof (kept[name] ?? value) === typeof value);
    return fits ? { ...NOTHING, ...kept } : NOTHING;
  } catch {
    return NOTHING;
  }
}

/** A job that was just submitted, to its end. */
function Followed({ id }: { id: string }) {
  const job = useSignal<Job | undefined>(undefined);
  const lines = useSignal<readonly LogLine[]>([]);
  const failed = useSignal("");
  const client = session.client.value!;
  useEffect(() => {
    const stop = new AbortController();
    job.value = undefined;
    lines.value = [];
    failed.value = "";
    const read = async (): Promise<void> => {
      job.value = await client.getJob(id, { signal: stop.signal });
    };
    const follow = async (): Promise<void> => {
      try {
        for await (const { item } of client.job(id).watch({ signal: stop.signal })) {
          if (item.case === "logEntries") lines.value = added(lines.value, item.value.entries, item.value.droppedCount);
          else if (item.case === "job") {
            // Why it waits is told by the read alone.
            const wait = item.value.wait ?? (item.value.state === job.value?.state ? job.value.wait : undefined);
            job.value = { ...item.value, ...(wait && { wait }) };
          }
        }
        await read();
      } catch (error) {
        if (!stop.signal.aborted) failed.value = failureText(error);
      }
    };
    void read().catch(() => undefined).then(follow);
    const off = onEvent((event) => {
      if (event.jobId === id) void read().catch(() => undefined);
    });
    return () => {
      stop.abort();
      off();
    };
  }, [id, client]);
  const now = job.value;
  return (
    <section class="card" aria-label={T.outcome}>
      <header class="card-head"><h2>{T.outcome}</h2><div class="row"><JobLink id={id} />{now && <JobPill state={now.state} />}</div></header>
      <div class="card-body stack if-any">
        {failed.value !== "" && <p class="note"><Plain text={failed.value} /></p>}
        {now?.wait && !ended(now.state) && <p class="note"><Plain text={now.wait.message} /></p>}
        {now?.error && <><p class="failure"><Plain text={now.error.message} /></p>{now.error.line !== undefined && now.spec && <Script text={now.spec.script} mark={now.error.line} />}</>}
        {now?.state === Job_State.SUCCEEDED && <div><h3>{T.result}</h3>{now.result === "" ? <p class="muted">{T.emptyResult}</p> : <Code text={now.result ?? ""} />}</div>}
      </div>
      <Log lines={lines.value} empty={now && ended(now.state) ? T.noLog : T.noLogYet} name={T.log} />
      <div class="card-body row end"><a class="button" href={href(["job", id])}>{T.wholeJob}</a></div>
    </section>
  );
}
