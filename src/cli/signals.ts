/** Who interrupts is heard within a second, also when a thread is busy; the next open sweeps what stays behind. */
const PATIENCE_MS = 900;
const INTERRUPTED = 130;

/**
 * Turns the first SIGINT or SIGTERM into an abort. A second one, or patience that runs out, ends the process.
 * @param exit ends the process with a status
 */
export function listenForSignals(exit: (status: number) => void): AbortSignal {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) return exit(INTERRUPTED);
    controller.abort();
    setTimeout(() => exit(INTERRUPTED), PATIENCE_MS).unref();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return controller.signal;
}
