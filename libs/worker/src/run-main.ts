// The outermost frame of every main.ts: turns a thrown fault into words on stderr and an exit code.
import { describeFault } from './fault.ts';

/** The part of `process` that is used here. */
export interface ExitPort {
  exitCode?: number | string | null | undefined;
  stderr: { write(text: string): unknown };
  exit(): unknown;
}

/**
 * Runs `main`. A fault with its own `exitCode` (a ConfigError: 2) is printed as its message, which then holds a line per
 * fault; any other with its stack, exit code 1. Sets `process.exitCode` rather than exiting, so that stdout is drained;
 * a process that still holds a socket or timer 5 s later leaves all the same.
 */
export async function runMain(main: () => Promise<void>, port: ExitPort = process): Promise<void> {
  try {
    await main();
  } catch (error) {
    const exitCode = ownExitCode(error);
    port.stderr.write(`${exitCode === undefined ? withStack(error) : describeFault(error)}\n`);
    port.exitCode = exitCode ?? 1;
    setTimeout(() => port.exit(), LEAVE_AFTER_MS).unref();
  }
}

const LEAVE_AFTER_MS = 5_000;

function ownExitCode(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('exitCode' in error)) return undefined;
  return typeof error.exitCode === 'number' ? error.exitCode : undefined;
}

const withStack = (error: unknown): string => (error instanceof Error && error.stack) || describeFault(error);
