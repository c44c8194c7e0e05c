// Reads the next waiting deliveries of many lanes with one query: retries come in crowds.
import type { Delivery, Lane } from '#lane';
import type { DeliveryStore } from './ports.ts';

/** More lanes than this in one query would make its first rows wait for its last. */
const MOST_LANES = 64;

interface Wanted {
  lane: Lane;
  resolve: (page: Delivery[]) => void;
  reject: (error: unknown) => void;
}

export class PageLoader {
  readonly #store: Pick<DeliveryStore, 'loadPages'>;
  readonly #pageSize: number;
  #wanted: Wanted[] = [];
  #isLoading = false;

  constructor(store: Pick<DeliveryStore, 'loadPages'>, pageSize: number) {
    this.#store = store;
    this.#pageSize = pageSize;
  }

  /** The lane's waiting deliveries above `delivered`, in order, at most a page. */
  load(lane: Lane): Promise<Delivery[]> {
    return new Promise((resolve, reject) => {
      this.#wanted.push({ lane, resolve, reject });
      if (!this.#isLoading) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isLoading = true;
    // Whoever asks in this turn of the event loop goes along.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#wanted.length > 0) {
      const crowd = this.#wanted.splice(0, MOST_LANES);
      try {
        const pages = await this.#store.loadPages(
          crowd.map(({ lane }) => ({ endpointId: lane.endpointId, streamId: lane.streamId, after: lane.delivered })),
          this.#pageSize,
        );
        crowd.forEach(({ resolve }, index) => resolve(pages[index]!));
      } catch (error) {
        for (const { reject } of crowd) reject(error);
      }
    }
    this.#isLoading = false;
  }
}
