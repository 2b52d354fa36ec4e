const FIRST_DELAY_MS = 100;
const LAST_DELAY_MS = 5_000;
/** A timer that is set to more than this, 24 days, goes off at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Delays that grow from one failure in a row to the next. */
export class Delays {
  #failures = 0;

  /** Sleeps as long as the server asked for, or a little longer than the last time, but not beyond the signal. */
  async wait(signal: AbortSignal, askedMs = 0): Promise<void> {
    const delay = Math.min(FIRST_DELAY_MS * 2 ** Math.min(this.#failures++, 10), LAST_DELAY_MS);
    // Not all clients at once.
    await sleep(Math.max(delay * (0.5 + Math.random() / 2), askedMs), signal);
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** Sleeps, but not beyond the signal. */
export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    if (signal.aborted) done();
    else signal.addEventListener("abort", done);
  });
}

/** Does something at a time, however far away, or never for Infinity. Gives what takes it back. */
export function at(time: number, action: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const arm = (): void => {
    const left = time - Date.now();
    timer = left > LONGEST_TIMER_MS ? setTimeout(arm, LONGEST_TIMER_MS) : setTimeout(action, left);
  };
  if (Number.isFinite(time)) arm();
  return () => clearTimeout(timer);
}

/** A signal that follows another one, and a way to end it. */
export function follower(signal: AbortSignal | undefined): { controller: AbortController; release: () => void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort(signal?.reason);
  if (signal?.aborted) abort();
  else signal?.addEventListener("abort", abort);
  return { controller, release: () => signal?.removeEventListener("abort", abort) };
}
