// One run of a simulation: its time, the trace of what happens in it, and the first violation, which ends it.
import { EventLoop } from './event-loop.ts';
import { FakeClock } from './fake-clock.ts';
import { Violation } from './violation.ts';

export abstract class SimulatedRun {
  readonly clock = new FakeClock();
  readonly trace: string[] = [];
  violation: Violation | null = null;
  readonly #loop = new EventLoop(this.clock);

  /** From the first event to the last judgement. */
  protected abstract play(): Promise<void>;

  run(): Promise<void> {
    return this.#loop.run(() => this.play());
  }

  /** A line of the trace, with the virtual seconds. */
  note(text: string): void {
    this.trace.push(`${(this.clock.monotonic() / 1000).toFixed(3).padStart(8)} ${text}`);
  }

  /** The first one counts; a fault that is no judge's is a violation too. */
  fail(error: unknown): void {
    if (this.violation) return;
    const words = () => `unexpected fault: ${String((error as Error).stack ?? error)}`;
    this.violation = error instanceof Violation ? error : new Violation(words());
    this.note(`VIOLATION ${this.violation.message}`);
  }

  /** Asks a judge, who throws a Violation. */
  protected check(look: () => void): void {
    try {
      look();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Moves time by `ms`, or up to the first violation. */
  protected advance(ms: number): Promise<void> {
    return this.#loop.advance(ms, () => this.violation !== null);
  }
}
