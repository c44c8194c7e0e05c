import { NotFoundException } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { badFields, badParameters, conflict, documentOf, Problem } from './problem.ts';
import { problemOf } from './problem-filter.ts';

const faultWith = (fields: object) => Object.assign(new Error('relation "secret_table" at 10.0.0.7'), fields);

describe('a problem document', () => {
  it('points at each field of a body, and names each parameter of an address', () => {
    const faults = [
      { field: 'authHeader.name', detail: 'bad' },
      { field: '', detail: 'no object' },
    ];
    expect(documentOf(badFields(faults), 'r1')).toEqual({
      type: 'about:blank',
      title: 'Unprocessable Content',
      status: 422,
      detail: 'the request has fields that are not accepted',
      errors: [
        { field: 'authHeader.name', pointer: '#/authHeader/name', detail: 'bad' },
        { field: '', pointer: '#', detail: 'no object' },
      ],
      requestId: 'r1',
    });
    expect(documentOf(badParameters([{ field: 'limit', detail: 'bad' }]), 'r1')).toMatchObject({
      status: 400,
      errors: [{ field: 'limit', detail: 'bad' }],
    });
  });

  it('carries what the caller can act on', () => {
    expect(documentOf(conflict('no head', { headSequence: 3 }), 'r1')).toMatchObject({ status: 409, headSequence: 3 });
  });
});

describe('a fault', () => {
  it.each([
    ['a problem', new Problem(409, 'x'), 409],
    ['a route that is not there', new NotFoundException('Cannot GET /x'), 404],
    ['a refused connection', faultWith({ code: 'ECONNREFUSED' }), 503],
    ['a server that shuts down', faultWith({ code: '57P01' }), 503],
    ['a statement that took too long', faultWith({ code: '57014' }), 503],
    ['a value that does not fit', faultWith({ code: '22021' }), 400],
    ['a broken constraint', faultWith({ code: '23505' }), 500],
    ['a body that is too large', faultWith({ statusCode: 413 }), 413],
    ['a programming error', new TypeError('x is undefined'), 500],
    ['no error at all', undefined, 500],
  ])('that is %s has its status and tells nothing of the inside', (_what, fault, status) => {
    const problem = problemOf(fault);
    expect(problem.status).toBe(status);
    expect(problem.message).not.toMatch(/secret_table|10\.0\.0\.7|undefined|Cannot GET/);
  });
});
