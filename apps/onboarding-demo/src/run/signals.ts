// Ctrl-C and its kin: the first asks for an orderly end, a later one for an end at once.

/** npm hands on a Ctrl-C that the terminal has sent to every process already: two within a moment are one. */
const SAME_SIGNAL_WITHIN_MS = 1_000;
const LOOK_FOR_PARENT_EVERY_MS = 500;

export function listenForSignals(endAtOnce: () => void): { abort: AbortSignal; interrupted: Promise<never> } {
  const controller = new AbortController();
  let firstAtMs = 0;
  const interrupted = new Promise<never>((_, reject) => {
    const onSignal = () => {
      if (!controller.signal.aborted) {
        firstAtMs = performance.now();
        const reason = new Error('interrupted');
        controller.abort(reason);
        reject(reason);
      } else if (performance.now() - firstAtMs > SAME_SIGNAL_WITHIN_MS) {
        endAtOnce();
        process.exit(130);
      }
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
    // Nobody reads any more: `npm run demo | head`. Each further line fails again.
    process.stdout.on('error', () => {
      if (!controller.signal.aborted) onSignal();
    });
    onOrphaned(onSignal);
  });
  interrupted.catch(() => undefined);
  return { abort: controller.signal, interrupted };
}

/** A SIGTERM or SIGKILL to npm ends npm and its shell, but does not reach us. */
function onOrphaned(run: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    run();
  }, LOOK_FOR_PARENT_EVERY_MS);
  timer.unref();
}
