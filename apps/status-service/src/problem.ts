// Problem documents (RFC 9457): what a caller is told when something does not work.
import type { FieldFault } from '#endpoints/admin';

export interface ProblemDocument {
  type: 'about:blank';
  title: string;
  status: number;
  detail: string;
  errors?: ProblemField[];
  requestId: string;
  [extension: string]: unknown;
}

export interface ProblemField {
  field: string;
  /** JSON pointer into the request's body, as a URI fragment; absent for query parameters. */
  pointer?: string;
  detail: string;
}

const TITLES: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

export interface ProblemOptions {
  errors?: ProblemField[];
  headers?: Record<string, string>;
  /** Further members of the document. */
  extensions?: Record<string, unknown>;
  cause?: unknown;
}

/** Thrown anywhere in a request, written by the filter. `detail` is for the caller's eyes. */
export class Problem extends Error {
  readonly status: number;
  readonly options: ProblemOptions;

  constructor(status: number, detail: string, options: ProblemOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Problem';
    this.status = status;
    this.options = options;
  }
}

export const notFound = (what: string): Problem => new Problem(404, `there is no such ${what}`);

export const conflict = (detail: string, extensions: Record<string, unknown> = {}): Problem =>
  new Problem(409, detail, { extensions });

/** A parameter of the address is wrong. */
export const badParameters = (faults: readonly FieldFault[]): Problem =>
  new Problem(400, 'the request has parameters that are not accepted', {
    errors: faults.map((fault) => ({ ...fault })),
  });

/** A field of the body is wrong. */
export const badFields = (faults: readonly FieldFault[]): Problem =>
  new Problem(422, 'the request has fields that are not accepted', {
    errors: faults.map(({ field, detail }) => ({ field, pointer: pointerOf(field), detail })),
  });

export function documentOf(problem: Problem, requestId: string): ProblemDocument {
  const { errors, extensions } = problem.options;
  return {
    type: 'about:blank',
    title: TITLES[problem.status] ?? 'Error',
    status: problem.status,
    detail: problem.message,
    ...(errors ? { errors } : {}),
    ...extensions,
    requestId,
  };
}

/** RFC 6901, section 6. Field names here have no `~` and no `/`. */
function pointerOf(field: string): string {
  return field === '' ? '#' : `#/${field.split('.').map(encodeURIComponent).join('/')}`;
}
