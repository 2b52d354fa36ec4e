import { useSignal } from "@preact/signals";
import { TlsStatus_ClientAuth } from "hero-supervisor/web";
import { ms, span } from "../format";
import * as session from "../session";
import { now, start, tick } from "../store/live";
import { T } from "../texts";
import { AuditLines, Identities } from "./access-lists";
import { forgetTyped } from "./settings";
import { Ago, Card, Copy, Facts, Field, Heading, Plain } from "../ui/basics";

/** Who may do what is decided by files of the server; this shows what the server tells of it. */
export function Access() {
  tick.value;
  const info = session.server.value;
  const { tls, identity } = info ?? {};
  const notAfter = ms(tls?.notAfter);
  return (
    <>
      <Heading title={T.access} sub={T.accessSub} />
      <div class="halves">
        <Card title={T.thisTab}>
          <Facts facts={[
            [T.signedIn, session.isSignedIn() ? T.asIdentity(identity!.id) : T.withoutToken],
            [T.name, identity?.name ? <Plain text={identity.name} /> : T.none],
            [T.roles, identity && identity.roles.length > 0 ? identity.roles.map((role) => <span class="chip" key={role}>{role}</span>) : T.none],
            [T.endsAt, notAfterOf(identity?.notAfter)],
            [T.sessionKept, T.sessionKeptHow],
          ]} />
          {session.isSignedIn() && <div class="row end"><button type="button" onClick={() => { forgetTyped(); void session.signOut(); }}>{T.signOut}</button></div>}
        </Card>
        <Card title={T.tls}>
          <Facts facts={[
            [T.encryption, tls ? T.minVersion(tls.minVersion) : T.noTls],
            [T.certificateNames, tls ? <Plain text={tls.names.join(", ")} /> : T.none],
            [T.certificateEnds, notAfter === undefined ? T.none : <Ago time={notAfter} />],
            [T.clientCertificates, tls ? T.clientAuth(TlsStatus_ClientAuth[tls.clientAuth] ?? "") : T.none],
            [T.exposure, info?.insecure ? T.insecure : T.notInsecure],
          ]} />
        </Card>
      </div>
      <Identities />
      <AuditLines />
      <Card title={T.tokens}>
        <p>{T.tokensMore}</p>
        {([["token create --role operator --name ci", T.tokenCreate], ["token ls", T.tokenList], ["token revoke ID", T.tokenRevoke], ["access audit", T.auditList]] as const).map(([line, what]) => (
          <div key={line}><p class="muted">{what}</p><div class="copy-line"><code tabIndex={0}>hero-supervisor {line}</code><Copy text={`hero-supervisor ${line}`} what={what} /></div></div>
        ))}
      </Card>
      {identity && (
        <Card title={T.allowedCalls}>
          <p>{identity.allowedCalls.map((call) => <span class="chip mono" key={call}>{call}</span>)}</p>
        </Card>
      )}
      <Card title={T.server}>
        <Facts facts={[
          [T.version, info?.version ?? T.none], [T.node, info ? <Plain text={info.node} /> : T.none],
          [T.instance, info ? <Plain text={info.instanceId} /> : T.none],
          [T.serverUp, info?.startTime ? span(now() - (ms(info.startTime) ?? now())) : T.none],
        ]} />
      </Card>
    </>
  );
}

function notAfterOf(time: Parameters<typeof ms>[0]) {
  return time ? <Ago time={ms(time)} /> : T.never;
}

export function SignIn({ why }: { why: string }) {
  const typed = useSignal("");
  const error = useSignal("");
  const refused = useSignal(why);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const text = typed.value.trim();
    error.value = text === "" ? T.tokenEmpty : /^[!-~]+$/.test(text) ? "" : T.tokenWrong;
    if (error.value !== "") return;
    try {
      await session.signIn(text);
      start();
    } catch (failure) {
      refused.value = (failure as Error).message;
    }
  };
  return (
    <main class="sign-in">
      <form class="card" onSubmit={(event) => void submit(event)}>
        <div class="card-body stack">
          <h1>{T.brand}</h1>
          <p class="muted">{T.signInSub}</p>
          {refused.value !== "" && <p class="failure" role="alert"><Plain text={refused.value} /></p>}
          <Field label={T.token} hint={T.tokenHint} error={error.value}>
            <input type="password" autocomplete="off" value={typed} onInput={(event) => (typed.value = event.currentTarget.value)} />
          </Field>
          <button type="submit" class="primary">{T.signIn}</button>
          <p class="muted small-text">{T.signInMore}</p>
        </div>
      </form>
    </main>
  );
}
