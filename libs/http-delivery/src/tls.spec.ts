// Checks that only a receiver with a valid certificate for the very name (or address) is spoken to.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { makeCertificates, OK, startTlsServer, type RawServer } from '../test/servers.ts';
import { AddressGuard, HttpSender } from './index.ts';

const certificates = makeCertificates();
const guard = new AddressGuard({ allowHttp: false, allowedCidrs: ['127.0.0.0/8'], allowedPorts: [] });

function makeSender(extraCa: string[] = [certificates.authority]): HttpSender {
  const sender = new HttpSender({ guard, extraCa, resolve: () => Promise.resolve(['127.0.0.1']) });
  onTestFinished(() => sender.close());
  return sender;
}

const send = (sender: HttpSender, url: string) =>
  sender.send({ url, headers: {}, body: Buffer.from('{}'), timeoutMs: 5_000, connections: 1 });

const refused = { kind: 'failed', errorClass: 'tls', bytesSent: false };

describe('a receiver', () => {
  it('with a certificate for its name gets the request, and SNI names it', async () => {
    const names: unknown[] = [];
    const server = await startTlsServer(certificates.good, (socket) => {
      names.push((socket as unknown as { servername: unknown }).servername);
      socket.write(OK);
    });
    expect(await send(makeSender(), server.url)).toMatchObject({ kind: 'response', statusCode: 200 });
    expect(names).toEqual(['localhost']);
  });

  it('with a certificate for its address gets the request too', async () => {
    const server = await startTlsServer(certificates.good);
    expect(await send(makeSender(), `https://127.0.0.1:${server.port}/`)).toMatchObject({
      kind: 'response',
      statusCode: 200,
    });
  });

  it.each([
    ['an expired certificate', certificates.expired],
    ['a certificate for another name', certificates.wrongName],
    ['a self-signed certificate', certificates.selfSigned],
  ])('with %s never sees a request', async (_what, certificate) => {
    const server = await startTlsServer(certificate);
    const sender = makeSender();
    // Twice: a session of the failed handshake must not help the second.
    expect(await send(sender, server.url)).toMatchObject(refused);
    expect(await send(sender, server.url)).toMatchObject(refused);
    expect(server.requests).toEqual([]);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'with a certificate for another name is refused over %s every time',
    async (version) => {
      const server = await startTlsServer({ ...certificates.wrongName, minVersion: version, maxVersion: version });
      const sender = makeSender();
      for (let i = 0; i < 3; i++) expect(await send(sender, server.url)).toMatchObject(refused);
    },
  );

  it('with a good certificate for one name is refused under another', async () => {
    const server = await startTlsServer(certificates.good);
    expect(await send(makeSender(), `https://other.example:${server.port}/`)).toMatchObject(refused);
  });

  it('whose authority is unknown never sees a request, even where the environment switches checks off', async () => {
    const server = await startTlsServer(certificates.good);
    vi.spyOn(process, 'emitWarning').mockReturnValue(undefined); // Node objects to the setting, rightly.
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    onTestFinished(() => void vi.restoreAllMocks().unstubAllEnvs());
    expect(await send(makeSender([]), server.url)).toMatchObject(refused);
    expect(server.requests).toEqual([]);
  });

  it.each(['TLSv1', 'TLSv1.1'] as const)('that speaks only %s is refused', async (version) => {
    const server = await startTlsServer({
      ...certificates.good,
      minVersion: version,
      maxVersion: version,
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    // It does speak that version, with a client that still does.
    const old = connectTls({
      port: server.port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: certificates.authority,
      minVersion: version,
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    await once(old, 'secureConnect');
    expect(old.getProtocol()).toBe(version);
    old.destroy();
    expect(await send(makeSender(), server.url)).toMatchObject(refused);
    expect(server.requests).toEqual([]);
  });

  it('that speaks plain HTTP on the port is refused: no fallback', async () => {
    const seen: string[] = [];
    const server = createServer((request, response) => {
      seen.push(request.url ?? '');
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    expect(await send(makeSender(), `https://localhost:${port}/`)).toMatchObject(refused);
    expect(seen).toEqual([]);
  });

  it('that closes during the handshake fails with class connection_reset, nothing sent', async () => {
    const server = await startTlsServer(certificates.good);
    const plain = await import('node:net').then(({ createServer: create }) => create((socket) => socket.destroy()));
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void plain.close());
    const result = await send(makeSender(), `https://localhost:${(plain.address() as AddressInfo).port}/`);
    expect(result).toMatchObject({ kind: 'failed', errorClass: 'connection_reset', bytesSent: false });
    expect(server.connections).toBe(0);
  });
});

describe('a TLS session', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('is resumed by the next connection over %s', async (version) => {
    const reused: boolean[] = [];
    const server: RawServer = await startTlsServer(
      { ...certificates.good, minVersion: version, maxVersion: version },
      (socket) => {
        reused.push((socket as unknown as { isSessionReused(): boolean }).isSessionReused());
        socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
      },
    );
    const sender = makeSender();
    for (let i = 0; i < 2; i++)
      expect(await send(sender, server.url)).toMatchObject({ kind: 'response', statusCode: 200 });
    expect(reused).toEqual([false, true]);
  });
});
