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
  const { manifest, shown, logs, metrics, ...journals } = all;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
  for (const [name, rows] of Object.entries({ ...journals, 'api-deliveries': shown }))
    writeFileSync(join(folder, `${name}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  for (const [name, texts] of Object.entries({ logs, metrics })) {
    mkdirSync(join(folder, name), { recursive: true });
    for (const [file, text] of Object.entries(texts)) writeFileSync(join(folder, name, file), text);
  }
}
