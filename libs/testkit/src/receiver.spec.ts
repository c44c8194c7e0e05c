// The receiver of the test kit, over real sockets on the loopback address.
import { get as httpsGet } from 'node:https';
import { afterEach, describe, expect, it } from 'vitest';
import { selfSignedCertificate } from './certificate.ts';
import { leakCheck } from './leaks.ts';
import { startReceiver } from './receiver.ts';
import type { Receiver } from './receiver.ts';
import { until } from './until.ts';

let receiver: Receiver | undefined;
afterEach(() => receiver?.close());

/** A request without connection reuse, so that closing leaves nothing. */
function post(url: string, body: string): Promise<Response> {
  return fetch(url, { method: 'POST', body, headers: { connection: 'close', 'x-test': 'yes' } });
}

describe('startReceiver', () => {
  it('keeps requests with their exact bytes in the order of arrival', async () => {
    receiver = await startReceiver();
    await post(`${receiver.url}/a?x=1`, 'first');
    await post(`${receiver.url}/b`, 'zweitens ü');
    expect(receiver.arrivals.map(({ n, method, path }) => ({ n, method, path }))).toEqual([
      { n: 1, method: 'POST', path: '/a?x=1' },
      { n: 2, method: 'POST', path: '/b' },
    ]);
    expect(receiver.arrivals[0]!.headers['x-test']).toBe('yes');
    expect(receiver.arrivals[1]!.body).toEqual(Buffer.from('zweitens ü'));
    expect(receiver.arrivals[1]!.at).toBeGreaterThanOrEqual(receiver.arrivals[0]!.at);
    await until(() => receiver!.arrivals[1]!.answeredAt, { withinMs: 2_000, what: 'the answer' });
  });

  it('answers as its behaviour says, which may change', async () => {
    receiver = await startReceiver({ behaviour: (_, n) => ({ status: n === 1 ? 503 : 200, body: `no. ${n}` }) });
    expect((await post(receiver.url, '')).status).toBe(503);
    expect(await (await post(receiver.url, '')).text()).toBe('no. 2');
    receiver.behave(() => ({ status: 429, headers: { 'retry-after': '7' }, delayMs: 20 }));
    const limited = await post(receiver.url, '');
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '7']);
  });

  it('resets the connection', async () => {
    receiver = await startReceiver({ behaviour: () => ({ reset: true }) });
    await expect(post(receiver.url, 'x')).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } });
    expect(receiver.arrivals[0]!.answeredAt).toBeNull();
  });

  it('hangs until it is closed, and leaves nothing open', async () => {
    const leaks = leakCheck();
    receiver = await startReceiver({ behaviour: () => ({ hang: true }) });
    const request = post(receiver.url, 'x').catch((error: unknown) => error);
    await receiver.received(1);
    expect(await receiver.connections()).toBe(1);
    await receiver.close();
    expect(await request).toBeInstanceOf(Error);
    await leaks.assertNone();
  });

  it('shows the fault of a behaviour to the client', async () => {
    receiver = await startReceiver({ behaviour: () => Promise.reject(new Error('oops')) });
    expect((await post(receiver.url, '')).status).toBe(599);
  });

  it('speaks HTTPS with a certificate that a client can trust', async () => {
    receiver = await startReceiver({ https: true });
    expect(await statusOverTls(receiver.url, { ca: receiver.ca! })).toBe(200);
    await expect(statusOverTls(receiver.url, {})).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  });

  it('takes an expired certificate, or one for another name', async () => {
    const expired = selfSignedCertificate({ notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') });
    receiver = await startReceiver({ https: expired });
    await expect(statusOverTls(receiver.url, { ca: expired.cert })).rejects.toMatchObject({ code: 'CERT_HAS_EXPIRED' });
    await receiver.close();
    const other = selfSignedCertificate({ names: ['example.com'], addresses: [] });
    receiver = await startReceiver({ https: other });
    const wrongName = { code: 'ERR_TLS_CERT_ALTNAME_INVALID' };
    await expect(statusOverTls(receiver.url, { ca: other.cert })).rejects.toMatchObject(wrongName);
  });
});

function statusOverTls(url: string, options: { ca?: string }): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = httpsGet(url, { ...options, agent: false }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode));
    });
    request.once('error', reject);
  });
}
