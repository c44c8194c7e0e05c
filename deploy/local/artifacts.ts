// Fetches Apache Kafka and the schema registry with Maven, once per checkout and version of the pom.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { checkoutDir } from './checkout.ts';
import { StackError } from './errors.ts';
import { findMaven, type Java } from './java.ts';
import { withLock } from './lock.ts';
import type { Watch } from './part.ts';

/** Folders with what Maven fetched, shared by all stacks of a checkout. */
export interface Artifacts {
  /** Jar files of the broker. */
  kafkaDir: string;
  /** The registry's distribution, with `quarkus-run.jar`. */
  registryDir: string;
}

const TRIES = 2;
const PROGRESS_MS = 2_000;

/** Returns at once when they are there; otherwise runs Maven (about 230 MB when its own repository is empty). */
export async function prepareArtifacts(java: Java, watch: Watch): Promise<Artifacts> {
  const pom = join(checkoutDir(), 'deploy/local/pom.xml');
  const root = join(checkoutDir(), '.stack/artifacts');
  const version = createHash('sha256').update(readFileSync(pom)).digest('hex').slice(0, 12);
  const dir = join(root, version);
  if (!existsSync(dir)) {
    const onWait = (pid: number) =>
      watch.onProgress?.(`waiting for process ${pid}, which fetches Kafka and the registry`);
    await withLock(`${root}.lock`, onWait, async () => {
      if (!existsSync(dir)) await fetchInto(root, dir, pom, java, watch);
    });
  }
  return { kafkaDir: join(dir, 'kafka'), registryDir: join(dir, 'registry') };
}

async function fetchInto(root: string, dir: string, pom: string, java: Java, watch: Watch) {
  mkdirSync(root, { recursive: true });
  const leftovers = readdirSync(root).filter((name) => name.endsWith('.incomplete'));
  for (const name of leftovers) rmSync(join(root, name), { recursive: true, force: true });
  const incomplete = `${dir}.${process.pid}.incomplete`;
  const args = ['-B', '-f', pom, `-Dartifacts=${incomplete}`, 'dependency:copy-dependencies', 'dependency:unpack'];
  for (let attempt = 1; ; attempt++) {
    const failure = await runMaven(findMaven(), args, java, watch);
    if (failure === null) break;
    if (attempt === TRIES) throw new StackError(`Maven could not fetch Kafka and the registry:\n${failure}`);
    watch.signal?.throwIfAborted();
    watch.onProgress?.('Maven failed, trying once more');
  }
  // The rename makes a folder either whole or absent.
  renameSync(incomplete, dir);
}

/** Resolves to null, or to the end of Maven's output when it failed. */
function runMaven(mvn: string, args: string[], java: Java, watch: Watch): Promise<string | null> {
  const startedAt = performance.now();
  const transfer = new TransferCount();
  let tail: string[] = [];
  const report = () =>
    watch.onProgress?.(`Maven: ${transfer.text()}, ${Math.round((performance.now() - startedAt) / 1_000)} s`);
  watch.onProgress?.('fetching Apache Kafka and the schema registry with Maven (up to 230 MB the first time)');
  const ticker = setInterval(report, PROGRESS_MS);
  const env = { ...process.env, JAVA_HOME: java.command.replace(/\/bin\/java$/, '') };
  return new Promise<string | null>((resolve, reject) => {
    const child = spawn(mvn, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    const kill = () => child.kill();
    process.once('exit', kill);
    watch.signal?.addEventListener('abort', kill);
    const read = (line: string) => {
      if (!transfer.read(line)) tail = [...tail, line].slice(-20);
    };
    createInterface({ input: child.stdout }).on('line', read);
    createInterface({ input: child.stderr }).on('line', read);
    child.once('error', reject);
    child.once('close', (code) => {
      process.off('exit', kill);
      watch.signal?.removeEventListener('abort', kill);
      resolve(code === 0 ? null : tail.join('\n'));
    });
  }).finally(() => {
    clearInterval(ticker);
    report();
  });
}

const UNIT_BYTES: Record<string, number> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9 };

/** Adds up Maven's "Downloaded from central: https://… (159 MB at 131 MB/s)" lines. */
export class TransferCount {
  files = 0;
  bytes = 0;

  /** False for a line that is not about a transfer. */
  read(line: string): boolean {
    if (!/Download(ing|ed) from/.test(line)) return false;
    const match = /Downloaded from .*\(([\d.]+) ([kMG]?B) at/.exec(line);
    if (match !== null) {
      this.files++;
      this.bytes += Number(match[1]) * (UNIT_BYTES[match[2]!] ?? 0);
    }
    return true;
  }

  text(): string {
    return `${Math.round(this.bytes / 1e6)} MB in ${this.files} files fetched`;
  }
}
