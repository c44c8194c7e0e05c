// The operator of a run: looks at halted lanes every few seconds, retries or skips their heads, and sends each command twice.
import { setTimeout as delay } from 'node:timers/promises';
import { type Random, seededRandom } from '#clock';
import type { Api, HaltedLane } from './api.ts';

const LOOK_EVERY_MS = 4_000;
/** Lanes treated at one look: an operator has two hands. */
const AT_ONCE = 5;
/** Heads that no retry can help. */
const HOPELESS = new Set(['invalid_payload', 'sequence_conflict', 'event_lost']);

type Command = 'retry' | 'skip';

export class Operator {
  readonly #api: Api;
  readonly #random: Random;
  readonly #work: Promise<void>;
  #isStopping = false;

  constructor(api: Api, seed: number) {
    this.#api = api;
    this.#random = seededRandom(seed);
    this.#work = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#work;
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      await delay(LOOK_EVERY_MS);
      const lanes = await this.#api.haltedLanes(50);
      for (const lane of lanes.slice(0, AT_ONCE)) {
        await this.#twice(isHopeless(lane) || this.#random() < 0.1 ? 'skip' : 'retry', lane);
      }
      await this.#resumePaused();
    }
  }

  /** Both at once: one of the two must do nothing. */
  async #twice(kind: Command, lane: HaltedLane): Promise<void> {
    const reason = `chaos operator: ${kind}`;
    await Promise.all([command(this.#api, kind, lane, reason), command(this.#api, kind, lane, reason)]);
  }

  /** 410 pauses an endpoint. */
  async #resumePaused(): Promise<void> {
    for (const { id } of await pausedEndpoints(this.#api)) {
      await this.#api.call('PATCH', `/v1/endpoints/${id}`, { enabled: true });
    }
  }
}

async function pausedEndpoints(api: Api): Promise<{ id: string }[]> {
  const { body: tenants } = await api.call('GET', '/v1/tenants?limit=200');
  const ids: { id: string; enabled: boolean }[] = [];
  for (const tenant of (tenants?.items ?? []) as { id: string }[]) {
    const { body } = await api.call('GET', `/v1/tenants/${tenant.id}/endpoints?limit=200`);
    ids.push(...((body?.items ?? []) as { id: string; enabled: boolean }[]));
  }
  return ids.filter(({ enabled }) => !enabled);
}

/** What is needed at the end, when every receiver accepts: nothing may wait for a person any more. */
export async function releaseAll(api: Api): Promise<void> {
  for (const { id } of await pausedEndpoints(api)) await api.call('PATCH', `/v1/endpoints/${id}`, { enabled: true });
  for (const lane of await api.haltedLanes(200)) {
    await command(api, isHopeless(lane) ? 'skip' : 'retry', lane, 'chaos: end of the run');
  }
}

const isHopeless = ({ reason }: HaltedLane) => HOPELESS.has(reason ?? '');

function command(api: Api, kind: Command, { endpointId, streamId, headSequence }: HaltedLane, reason: string) {
  const path = `/v1/lanes/${endpointId}/${encodeURIComponent(streamId)}/${kind}`;
  return api.call('POST', path, { sequence: headSequence, reason });
}
