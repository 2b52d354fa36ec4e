import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { AuditEntry_Stage, KnownIdentity_Kind, type AuditEntry, type KnownIdentity } from "hero-supervisor/web";
import { ms } from "../format";
import * as session from "../session";
import { isDenied } from "../store/readjob";
import { T } from "../texts";
import { Ago, Card, Clock, Empty, Plain } from "../ui/basics";
import { failureText } from "../ui/dialog";

/** Lines of a page of the audit log. */
const PAGE = 100;

/** Who may call, for those who may know it. */
export function Identities() {
  const found = useSignal<KnownIdentity[] | undefined>(undefined);
  const required = useSignal(true);
  const failed = useSignal("");
  const may = session.may("ListIdentities");
  const client = session.client.value!;
  useEffect(() => {
    if (!may) return;
    const stop = new AbortController();
    void (async () => {
      try {
        const all: KnownIdentity[] = [];
        let pageToken = "";
        do {
          const page = await client.calls.listIdentities({ pageToken }, { signal: stop.signal });
          all.push(...page.identities);
          required.value = page.authenticationRequired;
          pageToken = page.nextPageToken;
        } while (pageToken !== "");
        found.value = all;
        failed.value = "";
      } catch (error) {
        if (!stop.signal.aborted) failed.value = refusal(error);
      }
    })();
    return () => stop.abort();
  }, [client, may]);
  return (
    <Card title={T.identities}>
      {!may ? <Empty title={T.onlyAdmins}>{T.onlyAdminsMore}</Empty>
        : failed.value !== "" ? <p class="failure" role="alert"><Plain text={failed.value} /></p>
        : found.value === undefined ? <p class="muted">{T.reading}</p>
        : !required.value ? <p class="muted">{T.everybodyMay}</p>
        : (
          <div class="scroll-x" tabIndex={0} role="region" aria-label={T.identities}>
            <table class="grid-table">
              <thead><tr>{T.identityCols.map((title) => <th key={title} scope="col">{title}</th>)}</tr></thead>
              <tbody>{found.value.map((known) => <Known key={`${known.kind} ${known.subject}`} known={known} />)}</tbody>
            </table>
          </div>
        )}
    </Card>
  );
}

function Known({ known }: { known: KnownIdentity }) {
  const scopes = known.scopes;
  const lists: [string, string[]][] = scopes
    ? [[T.scope.callers, scopes.callers], [T.scope.contexts, scopes.contexts], [T.scope.types, scopes.scriptTypes], [T.scope.actors, scopes.targetActors]]
    : [];
  const rights = known.roles.length > 0 ? known.roles : known.allowedCalls;
  return (
    <tr>
      <td>{(KnownIdentity_Kind[known.kind] ?? "").toLowerCase()}</td>
      <td class="mono"><Plain text={known.subject} /></td>
      <td><Plain text={known.name} /></td>
      <td>{rights.map((right) => <span class="chip" key={right}><Plain text={right} /></span>)}</td>
      <td>{lists.filter(([, all]) => all.length > 0).map(([name, all]) => <span class="chip" key={name}><Plain text={`${name} ${all.join(", ")}`} /></span>)}</td>
      <td>{known.kind === KnownIdentity_Kind.TOKEN && (known.notAfter ? <Ago time={ms(known.notAfter)} /> : T.never)}</td>
      <td>{known.kind === KnownIdentity_Kind.TOKEN && (known.lastUsedTime ? <Ago time={ms(known.lastUsedTime)} /> : T.notYet)}</td>
    </tr>
  );
}

/** Who has called: the latest lines of the audit log, with filters, page by page. */
export function AuditLines() {
  const lines = useSignal<AuditEntry[] | undefined>(undefined);
  const enabled = useSignal(true);
  const next = useSignal("");
  const failed = useSignal("");
  const identity = useSignal("");
  const rpc = useSignal("");
  const refused = useSignal(false);
  const may = session.may("ListAuditEntries");
  const client = session.client.value!;
  const read = async (pageToken: string): Promise<void> => {
    try {
      const page = await client.calls.listAuditEntries({
        identity: identity.value.trim(), rpc: rpc.value.trim(), refusedOnly: refused.value, stage: AuditEntry_Stage.DONE,
        pageSize: PAGE, pageToken,
      });
      lines.value = [...(pageToken === "" ? [] : lines.value ?? []), ...page.entries];
      enabled.value = page.logEnabled;
      next.value = page.nextPageToken;
      failed.value = "";
    } catch (error) {
      failed.value = refusal(error);
    }
  };
  useEffect(() => {
    if (may) void read("");
  }, [client, may]);
  if (!may) return null;
  return (
    <Card title={T.auditLog} side={<button type="button" class="small" onClick={() => void read("")}>{T.readAgain}</button>}>
      {failed.value !== "" && <p class="failure" role="alert"><Plain text={failed.value} /></p>}
      {!enabled.value ? <p class="muted">{T.noAuditLog}</p> : (
        <>
          <form class="row" onSubmit={(event) => { event.preventDefault(); void read(""); }}>
            <input aria-label={T.auditIdentity} placeholder={T.auditIdentity} value={identity} onInput={(event) => (identity.value = event.currentTarget.value)} />
            <input aria-label={T.auditCall} placeholder={T.auditCall} value={rpc} onInput={(event) => (rpc.value = event.currentTarget.value)} />
            <label class="check"><input type="checkbox" checked={refused} onChange={(event) => (refused.value = event.currentTarget.checked)} />{T.auditRefused}</label>
            <button type="submit">{T.auditFilter}</button>
          </form>
          {lines.value === undefined ? <p class="muted">{T.reading}</p>
            : lines.value.length === 0 && next.value === "" ? <Empty title={T.noLines}>{T.noLinesMore}</Empty>
            : (
              <div class="scroll-x" tabIndex={0} role="region" aria-label={T.auditLog}>
                <table class="grid-table">
                  <thead><tr>{T.auditCols.map((title) => <th key={title} scope="col">{title}</th>)}</tr></thead>
                  <tbody>{lines.value.map((line) => <Line key={String(line.line)} line={line} />)}</tbody>
                </table>
              </div>
            )}
          {next.value !== "" && <div class="row end"><button type="button" onClick={() => void read(next.value)}>{T.olderLines}</button></div>}
        </>
      )}
    </Card>
  );
}

function Line({ line }: { line: AuditEntry }) {
  const about = [...line.targets, ...(line.allActors ? [T.allActors] : [])].join(" ");
  return (
    <tr>
      <td><Clock time={ms(line.time)} /></td>
      <td><Plain text={line.identityName === "" ? line.identity || T.nobody : `${line.identityName} · ${line.identity}`} /></td>
      <td class="mono"><Plain text={line.rpc} /></td>
      <td class="mono"><Plain text={about} /></td>
      <td><span class={`pill ${line.code === "OK" ? "ok" : "bad"}`}>{line.code}</span></td>
      <td><Plain text={line.cause === "" ? line.reason : `${line.reason} (${line.cause})`} /></td>
      <td class="mono"><Plain text={line.peer} /></td>
    </tr>
  );
}

function refusal(error: unknown): string {
  return isDenied(error) ? T.onlyAdminsMore : failureText(error);
}
