/** Questions before something is done, and what became of it. */
import { signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { parseError } from "hero-supervisor/web";
import type { Command } from "../commands";
import { plain } from "../format";
import { T } from "../texts";
import type { Snippet } from "../snippets";
import { Code, Copy } from "./basics";

/** A question. */
export interface Question {
  title: string;
  /** What will happen, also to running jobs. */
  says: ComponentChildren;
  /** What the button says; it is what is done. */
  button: string;
  danger?: boolean;
  /** A word that has to be typed first. */
  word?: string;
  /** Asks for a reason, which is in events. */
  reason?: boolean;
  /** The same for a terminal. */
  command?: (reason: string) => Command | undefined;
  /** Does it; what it gives is shown. */
  run: (reason: string) => Promise<string>;
  /** Takes it back, where that can be. */
  undo?: Notice["undo"];
}

interface Notice {
  id: number;
  text: string;
  bad: boolean;
  undo?: { label: string; run: () => void } | undefined;
  /** The same for a terminal, of what was done without a question. */
  command?: Command | undefined;
}

const question = signal<Question | undefined>(undefined);
const notices = signal<Notice[]>([]);
let lastId = 0;
/** Notices go by themselves, but for what went wrong. */
const NOTICE_MS = 6000;

export function ask(asked: Question): void {
  question.value = asked;
}

export function notice(text: string, bad = false, undo?: Notice["undo"], command?: Command): void {
  const id = ++lastId;
  notices.value = [...notices.value.slice(-3), { id, text, bad, undo, command }];
  if (!bad) setTimeout(() => dismiss(id), NOTICE_MS);
}

function dismiss(id: number): void {
  notices.value = notices.value.filter((one) => one.id !== id);
}

/** The text of what a call failed with: why, and what the server adds. */
export function failureText(error: unknown): string {
  const told = parseError(error);
  const fields = Object.entries(told.fields).map(([path, text]) => `${path} ${text}`);
  const facts = Object.entries(told.metadata).map(([name, value]) => `${name}: ${value}`);
  const more = [...fields, ...facts].join("; ");
  return `${told.message}${told.reason === "" ? "" : ` (${told.reason}${more === "" ? "" : `; ${more}`})`}`;
}

/** Does something, and shows what became of it. */
export async function act(run: () => Promise<string>, undo?: Notice["undo"], command?: Command): Promise<boolean> {
  try {
    notice(await run(), false, undo, command);
    return true;
  } catch (error) {
    notice(failureText(error), true);
    return false;
  }
}

export function Dialogs() {
  const asked = question.value;
  return (
    <>
      {asked && <Ask key={asked.title} question={asked} />}
      <div class="notices" role="status" aria-live="polite">
        {notices.value.map(({ id, text, bad, undo, command }) => (
          <div key={id} class={bad ? "notice bad" : "notice"}>
            <span>{plain(text)}</span>
            {undo && <button type="button" class="small" onClick={() => { dismiss(id); undo.run(); }}>{undo.label}</button>}
            {command && <Copy text={command.cli} label={T.copyCommand} what="CLI" />}
            <button type="button" class="small quiet" aria-label={T.dismiss} onClick={() => dismiss(id)}>×</button>
          </div>
        ))}
      </div>
    </>
  );
}

function Ask({ question: asked }: { question: Question }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const reason = useSignal("");
  const typed = useSignal("");
  const busy = useSignal(false);
  const failed = useSignal("");
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  const close = (): void => {
    dialog.current?.close();
    question.value = undefined;
  };
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy.value || (asked.word !== undefined && typed.value !== asked.word)) return;
    busy.value = true;
    try {
      const done = await asked.run(reason.value);
      close();
      notice(done, false, asked.undo);
    } catch (error) {
      // Nothing that was typed is lost: the question stays.
      failed.value = failureText(error);
    } finally {
      busy.value = false;
    }
  };
  const line = asked.command?.(reason.value);
  return (
    <dialog ref={dialog} aria-labelledby="question" onCancel={(event) => { event.preventDefault(); close(); }}>
      <form onSubmit={(event) => void submit(event)}>
        <h2 id="question">{plain(asked.title)}</h2>
        <div class="says">{asked.says}</div>
        {asked.reason && (
          <label class="field"><span class="field-label">{T.reason}</span>
            <input value={reason} maxLength={1024} onInput={(event) => (reason.value = event.currentTarget.value)} />
          </label>
        )}
        {asked.word !== undefined && (
          <label class="field"><span class="field-label">{T.typeWord(asked.word)}</span>
            <input value={typed} autocomplete="off" onInput={(event) => (typed.value = event.currentTarget.value)} />
          </label>
        )}
        {line && (
          <details>
            <summary>{T.asCommand}</summary>
            <CommandLines command={line} />
          </details>
        )}
        {failed.value !== "" && <p class="failure" role="alert">{plain(failed.value)}</p>}
        <div class="row end">
          <button type="button" onClick={close}>{T.keep}</button>
          <button
            type="submit"
            class={asked.danger ? "danger" : "primary"}
            disabled={busy.value || (asked.word !== undefined && typed.value !== asked.word)}
          >
            {busy.value ? T.working : asked.button}
          </button>
        </div>
      </form>
    </dialog>
  );
}

/** The same job by each client. */
export function Snippets({ all }: { all: Snippet[] }) {
  const chosen = useSignal(0);
  const one = all[chosen.value] ?? all[0]!;
  return (
    <details>
      <summary>{T.asProgram}</summary>
      <div class="row between">
        <span class="segmented" role="group" aria-label={T.language}>
          {all.map(({ language }, index) => <button type="button" key={language} aria-pressed={index === chosen.value} onClick={() => (chosen.value = index)}>{language}</button>)}
        </span>
        <Copy text={one.text} what={one.language} />
      </div>
      <Code text={one.text} />
    </details>
  );
}

/** The same action for a terminal. */
export function CommandLines({ command }: { command: Command }) {
  return (
    <div class="lines">
      {([["CLI", command.cli], ["grpcurl", command.grpcurl]] as const).filter(([, text]) => text !== "").map(([name, text]) => (
        <div class="copy-line" key={name}><code tabIndex={0}>{plain(text)}</code><Copy text={text} what={name} /></div>
      ))}
    </div>
  );
}
