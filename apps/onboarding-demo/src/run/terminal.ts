// The demo's lines on the terminal: steps with their time, colours where a person looks, plain text where a file does.
export type Colour = 'green' | 'red' | 'yellow' | 'dim' | 'bold';

const CODES: Record<Colour, number> = { green: 32, red: 31, yellow: 33, dim: 2, bold: 1 };
const SHOW_WAITING_EVERY_MS = 5_000;

export class Terminal {
  readonly #hasColours: boolean;

  constructor(options: { hasColours: boolean }) {
    this.#hasColours = options.hasColours;
  }

  line(text = ''): void {
    console.log(text);
  }

  paint(colour: Colour, text: string): string {
    return this.#hasColours ? `\u001B[${CODES[colour]}m${text}\u001B[0m` : text;
  }

  /** Says what is being done, every 5 s that it still is, and how long it took. */
  async step<T>(title: string, work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const seconds = () => ((performance.now() - startedAt) / 1_000).toFixed(1);
    this.line(`• ${title}`);
    const timer = setInterval(() => this.note(`${seconds()} s …`), SHOW_WAITING_EVERY_MS);
    try {
      const result = await work();
      this.note(`done after ${seconds()} s`);
      return result;
    } finally {
      clearInterval(timer);
    }
  }

  note(text: string): void {
    this.line(this.paint('dim', `    ${text}`));
  }
}
