import { toJsonString } from "@bufbuild/protobuf";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { JobSchema, Job_ResultKind, Job_State, type Job as JobMessage, type JobAttempt, type JobUsage } from "hero-supervisor/web";
import { cancelJob, changePriority, deleteJob, origin, retryJob } from "../actions";
import { commands } from "../commands";
import { bytes, ended, errorKind, ms, plain, scriptType, span, spanMs } from "../format";
import { go, href } from "../router";
import * as session from "../session";
import { liveJob } from "../store/job";
import { readJob } from "../store/readjob";
import { now, onEvent, tick } from "../store/live";
import { T } from "../texts";
import { ActorLink, Ago, Card, Clock, Code, Copy, Empty, Facts, Heading, JobLink, JobPill, Plain, QueueLink } from "../ui/basics";
import { snippets } from "../snippets";
import { CommandLines, failureText, Snippets } from "../ui/dialog";
import { added, Log, type LogLine } from "../ui/log";
import { Tree } from "../ui/tree";
import { Explanation } from "./explanation";

export function Job({ id }: { id: string }) {
  const job = useSignal<JobMessage | undefined>(undefined);
  const lines = useSignal<readonly LogLine[]>([]);
  const failed = useSignal("");
  const client = session.client.value!;
  useEffect(() => {
    const stop = new AbortController();
    job.value = undefined;
    lines.value = [];
    failed.value = "";
    let following = false;
    const read = async (): Promise<void> => {
      try {
        job.value = await readJob(client, id, stop.signal);
        failed.value = "";
      } catch (error) {
        if (!stop.signal.aborted) failed.value = failureText(error);
      }
    };
    /** Follows the log until the job has ended. */
    const follow = async (): Promise<void> => {
      if (following) return;
      following = true;
      try {
        const stream = client.job(id).watch({ signal: stop.signal });
        for await (const { item } of stream) {
          if (item.case === "logEntries") lines.value = added(lines.value, item.value.entries, item.value.droppedCount);
          else if (item.case === "progress" && job.value) job.value = { ...job.value, progress: item.value };
        }
      } catch {
        // The state is followed by the stream of the page; the log ends here.
      } finally {
        following = false;
      }
    };
    void read().then(() => follow());
    const off = onEvent((event) => {
      if (event.jobId !== id) return;
      void read();
      if (event.detail.case === "jobStateChange" && event.detail.value.newState === Job_State.RUNNING) void follow();
    });
    return () => {
      stop.abort();
      off();
    };
  }, [id, client]);
  tick.value;
  const now = job.value;
  if (!now) {
    return failed.value === "" ? <p class="muted pad">{T.reading}</p>
      : <Empty title={T.noJob}>{failed.value} <a href={href(["jobs"])}>{T.jobs}</a></Empty>;
  }
  return <Shown job={now} lines={lines.value} failed={failed.value} />;
}

function Shown({ job, lines, failed }: { job: JobMessage; lines: readonly LogLine[]; failed: string }) {
  const live = liveJob(job);
  const over = ended(job.state);
  const most = job.spec?.retryPolicy?.maxAttempts ?? 1;
  const command = commands.getJob(origin(), job.jobId);
  const json = (): string => toJsonString(JobSchema, job, { prettySpaces: 2 });
  return (
    <>
      <Heading
        title={<span class="row wrap"><span class="mono">{plain(job.jobId)}</span> <JobPill state={job.state} /></span>}
        sub={<>{scriptType(live.type)} · {T.attemptOf(job.attempt, most)} · <Ago time={live.created} /></>}
      >
        {!over && session.may("CancelJob") && <button type="button" class="danger" onClick={() => cancelJob(live)}>{T.cancelJob}</button>}
        {over && job.state !== Job_State.SUCCEEDED && session.may("RetryJob") && <button type="button" class="primary" onClick={() => retryJob(live)}>{T.retry}</button>}
        {session.may("SubmitJob") && <button type="button" onClick={() => go(["run"], { from: job.jobId })}>{T.runAgain}</button>}
        {over && session.may("DeleteJob") && <button type="button" class="danger" onClick={() => deleteJob(live)}>{T.deleteJob}</button>}
      </Heading>
      {failed !== "" && <p class="failure" role="alert">{failed}</p>}
      {job.progress && !over && <Progress percent={job.progress.percent} message={job.progress.message} />}
      {job.wait && !over && <Explanation job={job} />}
      {job.state === Job_State.CANCELLED && job.cancelReason !== "" && <p class="note"><strong>{T.cancelledBecause}</strong> <Plain text={job.cancelReason} /></p>}
      <div class="job-grid">
        <div class="stack">
          {job.error && <Failure job={job} />}
          {job.result !== undefined && <Result text={job.result} kind={job.resultKind} />}
          {/* Every job has a script; without one, the caller may not see it. */}
          {job.spec?.script
            ? <Card title={T.script} side={<Copy text={job.spec.script} what={T.script} />}><Script text={job.spec.script} mark={job.error?.line} /></Card>
            : <p class="note">{T.noPayloads}</p>}
          {job.spec?.input && <Card title={T.input} side={<Copy text={job.spec.input} what={T.input} />}><Code text={job.spec.input} /></Card>}
          <Card title={T.log} pad={false}><Log lines={lines} empty={over ? T.noLog : T.noLogYet} name={T.log} /></Card>
        </div>
        <div class="stack">
          <Card title={T.timeline}><Timeline job={job} /></Card>
          <Card title={T.facts}><JobFacts job={job} /></Card>
          <Card title={T.asCommand}>
            <CommandLines command={command} />
            <Snippets all={snippets(origin(), live.type, job.spec?.script ?? "", job.spec?.input ?? "")} />
            <details><summary>{T.rawJson}</summary><div class="row end"><Copy text={json} what={T.rawJson} /></div><Code text={json()} /></details>
          </Card>
        </div>
      </div>
    </>
  );
}

function Progress({ percent, message }: { percent: number | undefined; message: string }) {
  return (
    <div class="note">
      <progress max={100} {...(percent !== undefined && { value: percent })} aria-label={T.progress} /> {percent !== undefined && <strong class="num">{Math.round(percent)} %</strong>} <Plain text={message} />
    </div>
  );
}

function Failure({ job }: { job: JobMessage }) {
  const error = job.error!;
  const place = error.line === undefined ? "" : T.place(error.line, error.column);
  const how = error.signal !== undefined ? T.bySignal(error.signal) : error.exitCode !== undefined ? T.byExit(error.exitCode) : "";
  return (
    <Card title={T.error} side={<Copy text={error.message} what={T.error} />}>
      <p class="error-kind"><strong>{errorKind(error.kind)}</strong> {[place, how].filter((text) => text !== "").join(" · ")}</p>
      <Code text={error.message} />
      {error.logTail.length > 0 && <details><summary>{T.logTail(error.logTail.length)}</summary><Code text={error.logTail.join("\n")} /></details>}
    </Card>
  );
}

/** Lines of a script that are shown at once. */
const MOST_LINES = 2000;
/** Characters of a line. */
const MOST_CHARS = 2000;

/** A script with its line numbers, and the line of an error marked. */
export function Script({ text, mark }: { text: string; mark?: number | undefined }) {
  const lines = text.split("\n");
  const shown = lines.slice(0, MOST_LINES);
  return (
    <ol class="script" tabIndex={0} aria-label={T.script}>
      {shown.map((line, index) => (
        <li key={index} class={mark === index + 1 ? "marked" : ""} {...(mark === index + 1 && { "aria-label": T.markedLine(index + 1) })}>
          <bdi>{plain(line.slice(0, MOST_CHARS)) || " "}</bdi>
        </li>
      ))}
      {lines.length > MOST_LINES && <li class="muted">{T.moreLines(lines.length - MOST_LINES)}</li>}
    </ol>
  );
}

function Result({ text, kind }: { text: string; kind: Job_ResultKind }) {
  const parsed = kind === Job_ResultKind.JSON ? parse(text) : undefined;
  const view = useSignal<"tree" | "text" | "raw">(parsed === undefined ? "text" : "tree");
  const views = parsed === undefined ? (["text", "raw"] as const) : (["tree", "text", "raw"] as const);
  return (
    <Card title={T.result} side={<>
      <span class="segmented" role="group" aria-label={T.resultViews}>
        {views.map((one) => <button type="button" key={one} aria-pressed={view.value === one} onClick={() => (view.value = one)}>{T.resultView[one]}</button>)}
      </span>
      <Copy text={text} what={T.result} />
    </>}>
      {text === "" ? <p class="muted">{T.emptyResult}</p>
        : view.value === "tree" ? <Tree value={parsed} />
        : view.value === "raw" ? <Code text={JSON.stringify(text)} />
        : <Code text={parsed === undefined ? text : JSON.stringify(parsed, undefined, 2)} />}
    </Card>
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function Timeline({ job }: { job: JobMessage }) {
  const started = ms(job.startTime);
  const finished = ms(job.finishTime);
  const next = ms(job.nextAttemptTime);
  return (
    <ol class="timeline">
      <li class="calm"><strong>{T.submitted}</strong><Clock time={ms(job.createTime)} />{job.spec?.callerId && <span class="muted">{T.by} <Plain text={job.spec.callerId} /></span>}</li>
      {job.pastAttempts.map((attempt) => <Past key={attempt.attempt} attempt={attempt} />)}
      {started !== undefined && (
        <li class={ended(job.state) ? "calm" : "busy"}>
          <strong>{T.attemptStarted(job.attempt)}</strong><Clock time={started} /><ActorLink id={job.actorId} />
          <span class="muted">{T.waited(span(Math.max(0, started - (ms(job.pastAttempts.at(-1)?.endTime) ?? ms(job.createTime) ?? started))))}</span>
        </li>
      )}
      {finished !== undefined ? (
        <li class={job.state === Job_State.SUCCEEDED ? "ok" : job.state === Job_State.FAILED ? "bad" : "calm"}>
          <strong><JobPill state={job.state} /></strong><Clock time={finished} />
          {job.runDuration && <span class="muted">{T.ranFor(span(spanMs(job.runDuration) ?? 0))}</span>}
          {job.usage && <span class="muted">{used(job.usage)}</span>}
        </li>
      ) : (
        <li class="busy">
          <strong><JobPill state={job.state} /></strong>
          {next !== undefined ? <Clock time={next} /> : <span class="muted">{T.since(span(now() - (started ?? ms(job.createTime) ?? now())))}</span>}
        </li>
      )}
    </ol>
  );
}

/** Processor time, and the peak of memory where it is known. */
function used({ cpuTime, peakMemoryBytes }: JobUsage): string {
  const cpu = T.usedCpu(span(spanMs(cpuTime) ?? 0));
  return peakMemoryBytes === undefined ? cpu : `${cpu}, ${T.usedMemory(bytes(Number(peakMemoryBytes)))}`;
}

function Past({ attempt }: { attempt: JobAttempt }) {
  const started = ms(attempt.startTime);
  const over = ms(attempt.endTime);
  return (
    <li class="bad">
      <strong>{T.attemptFailed(attempt.attempt)}</strong><Clock time={over} /><ActorLink id={attempt.actorId} />
      {started !== undefined && over !== undefined && <span class="muted">{T.ranFor(span(over - started))}</span>}
      {attempt.usage && <span class="muted">{used(attempt.usage)}</span>}
      {attempt.error && <span class="clamp muted"><Plain text={attempt.error.message} /></span>}
    </li>
  );
}

/** The levels of priority, the first one first. */
export const PRIORITIES = [1, 2, 3, 4, 5];

/** The priority of a job, which can be changed while it waits. */
function Priority({ job }: { job: JobMessage }) {
  const level = job.spec?.priority ?? 3;
  const waits = [Job_State.BLOCKED, Job_State.QUEUED, Job_State.SCHEDULED, Job_State.RETRY_WAIT].includes(job.state);
  if (!waits || !session.may("UpdateJob")) return <>{T.priorityOf(level)}</>;
  return (
    <select aria-label={T.changePriority} title={T.priorityHint} value={level} onChange={(event) => changePriority(job.jobId, Number(event.currentTarget.value), level)}>
      {PRIORITIES.map((one) => <option key={one} value={one}>{T.priorityOf(one)}</option>)}
    </select>
  );
}

function JobFacts({ job }: { job: JobMessage }) {
  const { spec } = job;
  const pairs = (all: { [name: string]: string }) => Object.entries(all).map(([name, value]) => <span class="chip" key={name}><Plain text={`${name}=${value}`} /></span>);
  const facts: [string, preact.ComponentChildren][] = [
    [T.col.actor, <ActorLink id={job.actorId} />],
    [T.col.caller, spec?.callerId ? <Plain text={spec.callerId} /> : T.none],
    [T.context, spec?.contextId ? <Plain text={spec.contextId} /> : T.none],
    [T.runTimeout, span(spanMs(spec?.runTimeout) ?? 0)],
    [T.queueTimeout, spec?.queueTimeout ? span(spanMs(spec.queueTimeout) ?? 0) : T.noLimit],
    [T.keptFor, span(spanMs(spec?.resultTtl) ?? 0)],
  ];
  if (spec?.queue) facts.unshift([T.queue, <QueueLink queue={spec.queue} />]);
  if (job.usage) facts.push([T.used, used(job.usage)]);
  if (spec) facts.push([T.priority, <Priority job={job} />]);
  if (job.retryOf) facts.push([T.retryOf, <JobLink id={job.retryOf} />]);
  if (spec?.targetActorId) facts.push([T.onlyActor, <ActorLink id={spec.targetActorId} />]);
  if (job.submittedBy) facts.push([T.submittedBy, <Plain text={job.submittedBy} />]);
  if (spec && Object.keys(spec.labels).length > 0) facts.push([T.col.labels, pairs(spec.labels)]);
  if (spec && Object.keys(spec.env).length > 0) facts.push([T.environment, Object.keys(spec.env).map((name) => <span class="chip mono" key={name}><Plain text={name} /></span>)]);
  return <Facts facts={facts} />;
}
