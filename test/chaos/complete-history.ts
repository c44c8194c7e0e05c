// The last files of a history folder: what follows from the others, and the manifest that makes it whole.
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ADMIN_TOKEN } from './api.ts';
import type { Manifest, WriterTransaction } from './checker/history.ts';
import type { FaultRecord } from './faults.ts';
import { Journal, readWholeJournal } from './journal.ts';
import { markedValues } from './load.ts';
import { readProbes, recoveries } from './recovery.ts';
import { PARTITIONS, TOPIC_PREFIX, type World } from './world.ts';
import type { Intent } from './writer.ts';

type Times = Pick<Manifest, 'startedAt' | 'quiescedAt' | 'shutDownCleanlyAt'>;

export async function completeHistory(world: World, faults: readonly FaultRecord[], times: Times): Promise<void> {
  addUnanswered(world.folder);
  await writeRecoveries(world.folder, faults);
  writeManifest(world, times);
}

/** A COMMIT that the writer sent and did not live to see answered. */
function addUnanswered(folder: string): void {
  const known = new Set(readWholeJournal<WriterTransaction>(join(folder, 'writer.jsonl')).map(({ tx }) => tx));
  using journal = new Journal(join(folder, 'writer.jsonl'));
  for (const intent of readWholeJournal<Intent>(join(folder, 'writer-intents.jsonl'))) {
    if (known.has(intent.tx)) continue;
    journal.append({ ...intent, endedAt: Date.now(), outcome: 'unknown' } satisfies WriterTransaction);
  }
}

async function writeRecoveries(folder: string, faults: readonly FaultRecord[]): Promise<void> {
  const probes = await readProbes(folder);
  using journal = new Journal(join(folder, 'recoveries.jsonl'));
  for (const recovery of recoveries(faults, probes)) journal.append(recovery);
}

function writeManifest(world: World, times: Times): void {
  const { cardNumber, code, name } = markedValues(world.options.seed);
  const password = new URL(world.cluster.addresses.DATABASE_URL).password;
  const manifest: Manifest = {
    version: 1,
    seed: world.options.seed,
    ...times,
    endedAt: Date.now(),
    partitions: PARTITIONS,
    topicPrefix: TOPIC_PREFIX,
    endpoints: world.endpoints,
    bounds: {
      retryLateMs: 2_000,
      recoveryMs: { relay: 15_000, consumer: 15_000, broker: 30_000, database: 30_000, default: 30_000 },
      healthyLatencyFactor: 2,
      healthyLatencyFloorMs: 250,
      timeoutTolerance: 0.1,
    },
    secretsToHide: [
      ADMIN_TOKEN,
      password,
      world.masterKey,
      cardNumber,
      code,
      name,
      ...world.endpoints.flatMap(({ secrets }) => secrets.map(({ secret }) => secret)),
    ],
  };
  // Last, and in one step: a folder with a manifest is a whole history.
  const file = join(world.folder, 'manifest.json');
  writeFileSync(`${file}.new`, `${JSON.stringify(manifest, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}
