// A TCP proxy in front of one server: closed it refuses connections, and closing it cuts those that stand.
import { connect, createServer, type Server, type Socket } from 'node:net';
import { freePort } from '../../deploy/local/index.ts';

export class Proxy {
  readonly port: number;
  readonly #target: { host: string; port: number };
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;

  constructor(port: number, target: { host: string; port: number }) {
    this.port = port;
    this.#target = target;
  }

  async open(): Promise<void> {
    const server = createServer((near) => {
      const far = connect(this.#target.port, this.#target.host);
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(socket);
        socket.on('error', () => other.destroy());
        socket.on('close', () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
        socket.pipe(other);
      }
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    const closed = server && new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** In front of `address` (host:port, or a URL), closed. `through` is the same address by way of the proxy. */
export async function proxyOf(address: string): Promise<{ proxy: Proxy; through: string }> {
  const url = new URL(address.includes('://') ? address : `tcp://${address}`);
  // Not one that the system gives to outgoing connections: those that ask in vain while the proxy is closed might get it.
  const proxy = new Proxy(await freePort(), { host: url.hostname, port: Number(url.port) });
  url.hostname = '127.0.0.1';
  url.port = String(proxy.port);
  return { proxy, through: address.includes('://') ? url.href : url.host };
}
