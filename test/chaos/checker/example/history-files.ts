// A history in memory, and how it becomes a folder.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type * as history from '../history.ts';

export interface History {
  manifest: history.Manifest;
  writer: history.WriterTransaction[];
  receiver: history.Arrival[];
  deliveries: history.DeliveryRow[];
  attempts: history.AttemptRow[];
  lanes: history.LaneRow[];
  commands: history.CommandRow[];
  audit: history.AuditRow[];
  shown: history.ApiDelivery[];
  topics: history.TopicRecord[];
  faults: history.Fault[];
  recoveries: history.Recovery[];
  stalls: history.Stall[];
  samples: history.Sample[];
  /** By file name. */
  logs: Record<string, string>;
  metrics: Record<string, string>;
}

export function writeHistory(folder: string, all: History): void {
  mkdirSync(join(folder, 'logs'), { recursive: true });
  mkdirSync(join(folder, 'metrics'), { recursive: true });
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(all.manifest));
  const {
    writer,
    receiver,
    deliveries,
    attempts,
    lanes,
    commands,
    audit,
    topics,
    faults,
    recoveries,
    stalls,
    samples,
  } = all;
  const files = {
    writer,
    receiver,
    deliveries,
    attempts,
    lanes,
    commands,
    audit,
    topics,
    faults,
    recoveries,
    stalls,
    samples,
  };
  for (const [name, rows] of Object.entries({ ...files, 'api-deliveries': all.shown }))
    writeFileSync(join(folder, `${name}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  for (const folderName of ['logs', 'metrics'] as const)
    for (const [name, text] of Object.entries(all[folderName])) writeFileSync(join(folder, folderName, name), text);
}
