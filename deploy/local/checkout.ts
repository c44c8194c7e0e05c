// Where the checkout is, from the sources as well as from a build of them.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The folder with deploy/local/pom.xml, looked for upwards from this file. */
export function checkoutDir(): string {
  for (let dir = import.meta.dirname; ; dir = dirname(dir)) {
    if (existsSync(join(dir, 'deploy/local/pom.xml'))) return dir;
    if (dir === dirname(dir)) throw new Error('deploy/local/pom.xml not found: the local stack runs from a checkout');
  }
}
