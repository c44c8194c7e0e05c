// Finds a Java runtime that is new enough for the schema registry, and Maven.
import { execFile } from 'node:child_process';
import { accessSync, constants, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { StackError } from './errors.ts';

/** Apicurio 3.3 is compiled for 21; Kafka 4 would run on 17. One runtime serves both. */
export const LEAST_JAVA = 21;

const USUAL_FOLDERS = ['/usr/lib/jvm', '/opt', '/opt/java', '/usr/local', '/Library/Java/JavaVirtualMachines'];

export interface Java {
  /** Path of the `java` program. */
  command: string;
  major: number;
}

/** The first of JAVA_HOME, PATH and the usual folders that is new enough. Throws a StackError that says what to install. */
export async function findJava(env: NodeJS.ProcessEnv = process.env): Promise<Java> {
  const seen: string[] = [];
  for (const command of javaCandidates(env)) {
    const major = await javaMajor(command);
    if (major === null) continue;
    if (major >= LEAST_JAVA) return { command, major };
    seen.push(`${command} is Java ${major}`);
  }
  throw new StackError(missingJava(seen));
}

export function missingJava(seen: readonly string[]): string {
  return [
    `The local stack needs Java ${LEAST_JAVA} or newer${seen.length > 0 ? ` (${seen.join(', ')})` : ''}.`,
    '  Debian 13 and newer, Ubuntu 24.04 and newer:  apt-get install openjdk-21-jre-headless maven',
    '  Debian 12:  apt-get install temurin-21-jdk maven  (from the packages of https://adoptium.net)',
    '  then run this again; JAVA_HOME may point to a runtime in another place.',
  ].join('\n');
}

/** The `mvn` of the PATH. Throws a StackError that says what to install. */
export function findMaven(env: NodeJS.ProcessEnv = process.env): string {
  const mvn = onPath('mvn', env)[0];
  if (mvn !== undefined) return mvn;
  throw new StackError(
    'The local stack needs Maven to fetch Apache Kafka and the schema registry.\n  Debian, Ubuntu:  apt-get install maven',
  );
}

/** Version from what `java -version` prints: "21.0.2", "25", the old "1.8.0_392". */
export function parseJavaMajor(text: string): number | null {
  const match = /version "(?:1\.)?(\d+)/.exec(text);
  return match === null ? null : Number(match[1]);
}

async function javaMajor(command: string): Promise<number | null> {
  try {
    return parseJavaMajor((await promisify(execFile)(command, ['-version'], { timeout: 20_000 })).stderr);
  } catch {
    return null;
  }
}

function javaCandidates(env: NodeJS.ProcessEnv): string[] {
  const home = env['JAVA_HOME'] ? [join(env['JAVA_HOME'], 'bin/java')] : [];
  const installed = USUAL_FOLDERS.flatMap((folder) =>
    list(folder).flatMap((name) => [join(folder, name, 'bin/java'), join(folder, name, 'Contents/Home/bin/java')]),
  );
  return [...new Set([...home, ...onPath('java', env), ...installed])].filter(isProgram);
}

function onPath(name: string, env: NodeJS.ProcessEnv): string[] {
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, name)).filter(isProgram);
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch {
    return [];
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
