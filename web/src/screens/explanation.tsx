import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Job_State, type ExplainJobResponse, type Job } from "hero-supervisor/web";
import { ms } from "../format";
import * as session from "../session";
import { T } from "../texts";
import { Ago, Plain } from "../ui/basics";

/** Why a job waits: what it says itself, and then everything that holds it, what is ahead of it, and when it may start. */
export function Explanation({ job }: { job: Job }) {
  const answer = useSignal<ExplainJobResponse | undefined>(undefined);
  const asked = useSignal(0);
  const client = session.client.value!;
  useEffect(() => {
    const stop = new AbortController();
    const ask = async (): Promise<void> => {
      try {
        answer.value = await client.calls.explainJob({ jobId: job.jobId }, { signal: stop.signal });
      } catch {
        // The job says the first reason by itself; a server of another version may not know the call.
      }
    };
    void ask();
    return () => stop.abort();
  }, [job.jobId, job.state, job.attempt, asked.value, client]);
  const told = answer.value;
  const reasons = told?.job?.state === job.state ? told.reasons : [];
  if (reasons.length === 0) return <p class="note"><strong>{T.whyWaiting}</strong> <Plain text={job.wait?.message ?? ""} /></p>;
  return (
    <div class="note">
      <div class="row wrap">
        <strong>{T.whyWaiting}</strong>
        <button type="button" class="small" onClick={() => { asked.value++; }}>{T.lookAgain}</button>
      </div>
      <ul>{reasons.map((reason) => <li key={reason.reason}><Plain text={reason.message} /></li>)}</ul>
      {told?.jobsAhead !== undefined && job.state === Job_State.QUEUED && <p>{T.jobsAhead(Number(told.jobsAhead), told.jobsAheadEstimated)}</p>}
      {told?.start && <p>{T.likelyStart} <Ago time={ms(told.start.earliest)} />{told.start.latest && <> {T.to} <Ago time={ms(told.start.latest)} /></>}</p>}
    </div>
  );
}
