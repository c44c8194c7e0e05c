// The one place where a fault becomes an answer: problems as they are, a database that is away as 503, all else as 500.
import { type ArgumentsHost, type ExceptionFilter, HttpException } from '@nestjs/common';
import { isRetryable, sqlState } from '#database';
import type { Logger } from '#telemetry';
import { documentOf, Problem } from './problem.ts';
import type { ApiReply, ApiRequest } from './wire.ts';

const RETRY_AFTER_S = '2';
const STATEMENT_TIMEOUT = '57014';

export class ProblemFilter implements ExceptionFilter {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  catch(fault: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<ApiRequest>();
    const reply = host.switchToHttp().getResponse<ApiReply>();
    const problem = problemOf(fault);
    if (problem.status >= 500) {
      this.#logger.error({ requestId: request.id, status: problem.status, error: fault }, 'a request failed');
    }
    if (reply.sent) return;
    for (const [name, value] of Object.entries(problem.options.headers ?? {})) reply.header(name, value);
    reply
      .status(problem.status)
      .header('content-type', 'application/problem+json; charset=utf-8')
      .header('cache-control', 'no-store')
      .send(JSON.stringify(documentOf(problem, request.id)));
  }
}

/** What the caller is told of a fault; nothing of its inside. */
export function problemOf(fault: unknown): Problem {
  if (fault instanceof Problem) return fault;
  if (fault instanceof HttpException) return fromStatus(fault.getStatus(), fault.message);
  // A value that PostgreSQL cannot hold, such as a NUL in a text, that no schema caught.
  if (sqlState(fault)?.startsWith('22')) return new Problem(400, 'the request has a value that cannot be looked up');
  if (sqlState(fault) === STATEMENT_TIMEOUT) {
    return new Problem(503, 'the question took too long; narrow it by a filter', { cause: fault });
  }
  if (isRetryable(fault)) {
    const headers = { 'retry-after': RETRY_AFTER_S };
    return new Problem(503, 'the database is away; try again in a moment', { headers, cause: fault });
  }
  // Fastify's own faults: a body that is too large, or no JSON.
  const { statusCode, message } = (fault ?? {}) as { statusCode?: unknown; message?: unknown };
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500)
    return fromStatus(statusCode, String(message));
  return new Problem(500, 'something went wrong on our side', { cause: fault });
}

function fromStatus(status: number, message: string): Problem {
  if (status === 404) return new Problem(404, 'there is nothing at this address');
  if (status === 413) return new Problem(413, 'the body is too large');
  if (status === 415) return new Problem(415, 'send the body as application/json');
  if (status === 400) return new Problem(400, 'the body is not JSON, or the address is malformed');
  return status < 500 ? new Problem(status, message) : new Problem(500, 'something went wrong on our side');
}
