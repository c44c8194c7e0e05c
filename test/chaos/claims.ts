// Keeps faults off each other: who needs a thing alone waits until those before have given it back.

/** Gives each name to one holder at a time, in the order of asking. */
export class Claims {
  readonly #last = new Map<string, Promise<void>>();

  /** Resolves to the function that gives them back. */
  async take(names: readonly string[]): Promise<() => void> {
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const before = names.map((name) => this.#last.get(name) ?? Promise.resolve());
    for (const name of names) this.#last.set(name, held);
    await Promise.all(before);
    return release;
  }
}
