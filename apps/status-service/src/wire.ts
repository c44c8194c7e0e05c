// What crosses the wire, as this app sees it: requests and replies of the HTTP server, and the caller behind them.
import type { Role } from '#audit/admin';

/** The part of Fastify's request that is used here. */
export interface ApiRequest {
  id: string;
  method: string;
  url: string;
  headers: Record<string, string | string[] | undefined>;
  /** The route's pattern, e.g. `/v1/endpoints/:id`; absent where no route matched. */
  routeOptions: { url?: string };
  /** Who asks; set by the guard. */
  caller?: Caller;
}

/** The part of Fastify's reply that is used here. */
export interface ApiReply {
  statusCode: number;
  sent: boolean;
  elapsedTime: number;
  status(code: number): ApiReply;
  header(name: string, value: string): ApiReply;
  send(body?: unknown): unknown;
}

export interface Caller {
  /** For the audit trail: `bootstrap` or `token:<id>`. */
  actor: string;
  role: Role;
  /** Null: sees every tenant. */
  tenantId: string | null;
}

/** The caller of a request that passed the guard. */
export function callerOf(request: ApiRequest): Caller {
  if (!request.caller) throw new Error(`no caller on ${request.method} ${request.url}: the guard did not run`);
  return request.caller;
}
