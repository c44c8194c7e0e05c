// Free TCP ports on the loopback address, chosen outside the range that the system uses for outgoing connections.
import { createServer } from 'node:net';

// Linux hands out 32768 and up to outgoing connections, macOS 49152 and up. A server's port from that range could be
// taken while the server restarts, even by a client's own attempt to reach it (TCP simultaneous open connects it to itself).
const LOWEST = 15_000;
const HIGHEST = 32_000;

export async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Given out by this process: their servers may start only later, so that looking does not show that they are taken. */
const given = new Set<number>();

/**
 * `count` ports that were free when looked at, none of them given out before by this process. Throws when there are not enough
 * after many tries.
 */
export async function freePorts(count: number, random: () => number = Math.random): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count && tries < 1_000; tries++) {
    const port = LOWEST + Math.floor(random() * (HIGHEST - LOWEST));
    if (given.has(port)) continue;
    given.add(port); // Before the look: another caller may draw it meanwhile.
    if (await isFree(port)) ports.push(port);
  }
  if (ports.length < count) throw new Error(`found only ${ports.length} of ${count} free ports on 127.0.0.1`);
  return ports;
}

export async function freePort(): Promise<number> {
  return (await freePorts(1))[0]!;
}
