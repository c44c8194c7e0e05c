// The schema registry Apicurio, which speaks the Confluent API, with its data in a file beside it.
import { mkdirSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import type { Part } from './part.ts';

export interface RegistryOptions {
  /** The stack's folder, absolute. */
  dir: string;
  port: number;
  /** Of the Java program and of the registry's distribution; asked only when it has to be started. */
  runtime(): Promise<{ java: string; registryDir: string }>;
}

export function registryUrl(port: number): string {
  return `http://127.0.0.1:${port}/apis/ccompat/v7`;
}

export function registryPart(options: RegistryOptions): Part {
  const home = join(options.dir, 'registry');
  const marker = `-Dapicurio.datasource.url=jdbc:h2:file:${join(home, 'data')}`;
  return {
    name: 'registry',
    port: options.port,
    marker,
    stopSignal: 'SIGTERM',
    killSignal: 'SIGKILL',
    dataDirs: [home],
    async prepare() {
      const { java, registryDir } = await options.runtime();
      mkdirSync(home, { recursive: true });
      return { command: java, args: [...javaArguments(options.port), marker, '-jar', runner(registryDir)], cwd: home };
    },
    probe: async () => (await statusOf(`${registryUrl(options.port)}/subjects`)) === 200,
  };
}

function runner(registryDir: string): string {
  return join(registryDir, 'quarkus-run.jar');
}

function javaArguments(port: number): string[] {
  return [
    '-Xmx256m',
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    '-Xshare:auto',
    '-XX:-UsePerfData',
    '-Dquarkus.http.host=127.0.0.1',
    `-Dquarkus.http.port=${port}`,
    '-Dquarkus.http.access-log.enabled=false',
    '-Dquarkus.management.host=127.0.0.1',
    // Any free port: nothing asks there.
    '-Dquarkus.management.port=0',
    '-Dapicurio.storage.kind=sql',
    '-Dapicurio.storage.sql.kind=h2',
    // Its default is a pool of twenty connections from the start.
    '-Dapicurio.datasource.jdbc.initial-size=2',
    '-Dapicurio.datasource.jdbc.min-size=2',
  ];
}

function statusOf(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, timeout: 3_000 }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
      response.once('error', reject);
    });
    request.once('timeout', () => request.destroy(new Error('no answer')));
    request.once('error', reject);
  });
}
