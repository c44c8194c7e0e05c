// Broken relays: windows, floors, progress, sessions, publishing.
import { edit, type Mutant } from './mutant.ts';

const RELAY = 'apps/outbox-relay/src/relay.ts';
const PUBLISH = 'apps/outbox-relay/src/publish.ts';
const WINDOW = 'libs/outbox/src/window.ts';

export const relayMutants: readonly Mutant[] = [
  {
    name: 'the next window begins after the last id that was published',
    breaks: 'P1',
    edits: [
      edit(WINDOW, 'prev: target, floorId: targetFloorId,', 'prev: target, floorId: rows.at(-1)?.id ?? targetFloorId,'),
    ],
    world: 'relays',
    seed: 1131,
  },
  {
    name: 'the floor is the sequence as read with the page',
    breaks: 'P1',
    edits: [edit(RELAY, 'this.#options.pageSize, this.#floorId)', 'this.#options.pageSize, page.lastDrawnId)')],
    world: 'relays',
    seed: 1,
  },
  {
    name: 'the next floor is taken at the end of a window',
    breaks: 'P1',
    edits: [edit(WINDOW, 'before.targetFloorId ?? Math.max', 'Math.max')],
    world: 'relays',
    seed: 11,
  },
  {
    name: 'a window has the target of its last page',
    breaks: 'P1',
    edits: [edit(WINDOW, 'const target = before.target ?? page.snapshot;', 'const target = page.snapshot;')],
    world: 'relays',
    seed: 7,
  },
  {
    name: 'a full page exhausts its window',
    breaks: 'P1',
    edits: [edit(WINDOW, 'const isLastPage = rows.length < limit &&', 'const isLastPage = rows.length <= limit &&')],
    world: 'relays',
    seed: 1,
  },
  {
    name: 'a page begins at the beginning of its window',
    breaks: 'P1 (stall)',
    edits: [edit(WINDOW, 'lastId: rows.at(-1)!.id };', 'lastId: before.lastId };')],
    world: 'relays',
    seed: 1,
  },
  {
    name: 'progress is stored before the rows are acknowledged',
    breaks: 'P1',
    edits: [
      edit(RELAY, "      await failpoint('relay.after_read');\n", '      await this.#store(session, page);\n'),
      edit(
        RELAY,
        '    await this.#store(session, page);\n    if (page.rows',
        '    if (page.rows.length === 0) await this.#store(session, page);\n    if (page.rows',
      ),
    ],
    world: 'relays',
    seed: 25,
  },
  {
    name: 'a failed produce counts as one that was acknowledged',
    breaks: 'P1',
    edits: [edit(PUBLISH, '    throw error;\n', '    return undefined;\n')],
    world: 'relays',
    seed: 41,
  },
  {
    name: 'a fault does not end the session',
    breaks: 'P1',
    edits: [edit(RELAY, '      this.#endSession();\n      throw error;', '      throw error;')],
    world: 'relays',
    seed: 5,
  },
  {
    name: 'the windows outlive the session',
    breaks: 'P1',
    edits: [edit(RELAY, '    this.#shards = [];\n    this.#floorId = 0;\n', '    this.#floorId = 0;\n')],
    world: 'relays',
    seed: 18,
  },
  {
    name: 'a shard that was taken over is published all the same',
    breaks: 'the fence of the relay',
    edits: [edit(RELAY, '    this.#shards = this.#shards.filter((shard) => kept.has(shard.shard));\n', '')],
    world: 'relays',
    seed: 25,
  },
  {
    name: 'the relay never looks for free shards again',
    breaks: 'P1 (recovery)',
    edits: [edit(RELAY, '>= this.#claimAt) await', '>= this.#claimAt && this.#claimAt === 0) await')],
    world: 'relays',
    seed: 15,
  },
  {
    name: 'a stream is spread over the partitions',
    breaks: 'P3',
    edits: [
      edit(PUBLISH, 'partitionFor(row.streamId, ports.partitions)', 'partitionFor(row.eventId, ports.partitions)'),
    ],
    world: 'whole',
    seed: 5,
  },
  {
    name: 'the relay prints the payload anew',
    breaks: 'P5',
    edits: [
      edit(
        PUBLISH,
        'encodeCommitted(row, ',
        'encodeCommitted({ ...row, payload: JSON.stringify(JSON.parse(String(row.payload))) }, ',
      ),
    ],
    world: 'whole',
    seed: 1,
  },
];
