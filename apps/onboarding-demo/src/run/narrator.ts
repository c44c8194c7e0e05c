// Tells what arrives, as it arrives, and which lane is blocked and why; at the end, a table.
import type { Arrival } from '../receiver/sample-receiver.ts';
import type { BlockedLane } from './clients.ts';
import type { Terminal } from './terminal.ts';
import type { LaneVerdict } from './verdict.ts';

export class Narrator {
  readonly #terminal: Terminal;
  readonly #startedAtMs: number;
  /** The names of streams; those that the demo did not make have none. */
  readonly #names = new Map<string, string>();
  /** Lanes with a refused head: when it was refused first. */
  readonly #refusedAtMs = new Map<string, number>();
  readonly #toldDepth = new Map<string, number>();

  /** Instants are those of the monotonic clock. */
  constructor(terminal: Terminal, startedAtMs: number) {
    this.#terminal = terminal;
    this.#startedAtMs = startedAtMs;
  }

  name(streamId: string, name: string): void {
    this.#names.set(streamId, name);
  }

  arrived(arrival: Arrival): void {
    const { subscription, streamId, sequence, eventType, attempt, fault, statusCode, atMs } = arrival;
    const lane = `${subscription} ${streamId}`;
    const what = `${sequence === null ? ' ·' : `#${sequence}`} ${eventType}`.padEnd(30);
    const { paint } = this.#painter();
    if (statusCode !== 200) {
      if (!this.#refusedAtMs.has(lane)) this.#refusedAtMs.set(lane, atMs);
      const why = fault ?? 'the receiver is down for this stream';
      this.#tell(arrival, paint('red', `${what} answered ${statusCode} to attempt ${attempt}: ${why}`));
      return;
    }
    const refusedAtMs = this.#refusedAtMs.get(lane);
    if (sequence === null) {
      const note = refusedAtMs === undefined ? '' : paint('dim', 'no sequence: never waits for its stream');
      this.#tell(arrival, `${what} ${note}`);
    } else if (refusedAtMs !== undefined) {
      this.#refusedAtMs.delete(lane);
      this.#toldDepth.delete(lane);
      const after = ((atMs - refusedAtMs) / 1_000).toFixed(1);
      this.#tell(arrival, paint('green', `${what} delivered by attempt ${attempt}, ${after} s after the first`));
    } else {
      this.#tell(arrival, `${what} ${attempt > 1 ? paint('dim', `attempt ${attempt}`) : ''}`);
    }
  }

  /** A lane that the status service reports as blocked: told when it is new, and when more waits in it than before. */
  blocked(lane: BlockedLane, subscription: string, atMs: number): void {
    const key = `${subscription} ${lane.streamId}`;
    const isHalted = lane.state === 'halted';
    if (!this.#refusedAtMs.has(key) && !isHalted) return;
    const told = this.#toldDepth.get(key) ?? -1;
    if (lane.depth <= told) return;
    this.#toldDepth.set(key, lane.depth);
    const waiting = lane.depth - 1;
    const why = lane.lastErrorClass ?? lane.reason ?? 'unknown';
    const behind = waiting > 0 ? `; ${count(waiting, 'event')} behind it` : '';
    const text = `${isHalted ? 'halted' : 'blocked'} at #${lane.headSequence} (${why}, ${count(lane.attempts, 'attempt')} failed)${behind}`;
    this.#tell({ subscription, streamId: lane.streamId, atMs }, this.#painter().paint('yellow', text));
  }

  table(verdicts: readonly LaneVerdict[]): void {
    const rows = verdicts.map((verdict) => [
      verdict.subscription,
      this.#names.get(verdict.streamId) ?? verdict.streamId,
      `${verdict.delivered} of ${verdict.expected}`,
      verdict.faults.length === 0 ? 'yes' : 'NO',
      String(verdict.requests),
      verdict.blockedMs > 0 ? `${(verdict.blockedMs / 1_000).toFixed(1)} s` : '',
    ]);
    const header = ['endpoint', 'stream', 'delivered', 'in order', 'requests', 'blocked'];
    const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
    const render = (cells: readonly string[]) =>
      `  ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join('  ')}`.trimEnd();
    const { terminal, paint } = this.#painter();
    terminal.line();
    terminal.line(paint('bold', render(header)));
    for (const row of rows) terminal.line(render(row));
    for (const { subscription, streamId, faults } of verdicts) {
      for (const fault of faults) {
        terminal.line(paint('red', `  ${subscription}, ${this.#names.get(streamId) ?? streamId}: ${fault}`));
      }
    }
    terminal.line();
  }

  #painter() {
    const terminal = this.#terminal;
    return { terminal, paint: terminal.paint.bind(terminal) };
  }

  #tell({ subscription, streamId, atMs }: Pick<Arrival, 'subscription' | 'streamId' | 'atMs'>, text: string): void {
    const { terminal, paint } = this.#painter();
    const at = paint('dim', `${((atMs - this.#startedAtMs) / 1_000).toFixed(2).padStart(7)} s`);
    const name = this.#names.get(streamId) ?? streamId;
    terminal.line(`${at}  ${subscription.padEnd(8)} ${name.padEnd(11)} ${text}`.trimEnd());
  }
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? '' : 's'}`;
}
