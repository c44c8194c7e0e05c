// Finds out who asks, by the bearer token, and whether they may: every route needs a line in the table of operations.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { Token } from '#audit/admin';
import { findOperation } from './operations.ts';
import { Problem } from './problem.ts';
import { requireRight } from './roles.ts';
import type { ApiRequest, Caller } from './wire.ts';

export type FindToken = (secret: string) => Promise<Token | null>;

export class BearerGuard implements CanActivate {
  readonly #adminHash: Buffer | undefined;
  readonly #findToken: FindToken;

  /** `adminToken` is the bootstrap token of the configuration; there may be none. */
  constructor(adminToken: string | undefined, findToken: FindToken) {
    this.#adminHash = adminToken === undefined ? undefined : sha256(adminToken);
    this.#findToken = findToken;
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<ApiRequest>();
    const operation = findOperation(request.method, request.routeOptions.url ?? '');
    // Fail closed: a route that somebody forgot to enter is nobody's.
    if (!operation) throw new Problem(403, 'this operation is not open to anybody');
    if (operation.right === 'public') return true;
    request.caller = await this.#callerOf(request.headers['authorization']);
    requireRight(request.caller, operation.right);
    return true;
  }

  async #callerOf(header: string | string[] | undefined): Promise<Caller> {
    const secret = /^Bearer +([!-~]{1,512})$/i.exec(String(header ?? ''))?.[1];
    if (secret === undefined) throw unauthorized('send Authorization: Bearer and your token');
    // Digests have one length, so that the comparison takes one time.
    if (this.#adminHash && timingSafeEqual(sha256(secret), this.#adminHash)) {
      return { actor: 'bootstrap', role: 'admin', tenantId: null };
    }
    const token = await this.#findToken(secret);
    if (!token) throw unauthorized('the token is not known');
    return { actor: `token:${token.id}`, role: token.role, tenantId: token.tenantId };
  }
}

const unauthorized = (detail: string): Problem =>
  new Problem(401, detail, { headers: { 'www-authenticate': 'Bearer' } });

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
