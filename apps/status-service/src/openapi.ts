// The OpenAPI 3.1 document: made from the table of operations, and from the catalogue for what endpoints receive.
import { z } from 'zod';
import { catalogue, type EventType } from '#events';
import { type Operation, operations } from './operations.ts';
import { problemView } from './views.ts';

type Json = Record<string, unknown>;

/** Built once: nothing in it changes while the process runs. */
export function openApiDocument(version: string): Json {
  const paths: Record<string, Json> = {};
  for (const operation of operations) {
    (paths[operation.path] ??= {})[operation.method.toLowerCase()] = describeOperation(operation);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Waybill', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    security: [{ token: [] }],
    paths,
    webhooks: Object.fromEntries(catalogue.map((eventType) => [eventType.type, { post: describeWebhook(eventType) }])),
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: { Problem: jsonSchema(problemView, 'output') },
      responses: {
        Problem: {
          description: 'What went wrong (RFC 9457).',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
    },
  };
}

function describeOperation(operation: Operation): Json {
  const { id, summary, right, path, query, body, status, answer } = operation;
  return {
    operationId: id,
    summary,
    ...(right === 'public' ? { security: [] } : { description: `Needs the right \`${right}\`.` }),
    parameters: [...pathParameters(path), ...(query ? queryParameters(query) : [])],
    ...(body ? { requestBody: { required: true, content: jsonContent(jsonSchema(body, 'input')) } } : {}),
    responses: {
      [status]: {
        description: status === 204 ? 'Done.' : 'The answer.',
        ...(answer ? { content: jsonContent(jsonSchema(answer, 'output')) } : {}),
      },
      default: { $ref: '#/components/responses/Problem' },
    },
  };
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function queryParameters(query: z.ZodObject): Json[] {
  const { properties = {}, required = [] } = jsonSchema(query, 'input') as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema,
  }));
}

/** What the endpoint's owner has to answer. The encrypted format wraps the same payload. */
function describeWebhook(eventType: EventType): Json {
  const header = (name: string, description: string, required = true) => ({
    name,
    in: 'header',
    required,
    description,
    schema: { type: 'string' },
  });
  return {
    operationId: `receive${eventType.type}`,
    summary: eventType.summary,
    description:
      'One event in each request. In the format encrypted-envelope the body is ' +
      '`{"encrypted_payload", "type", "hmac"}` and holds this payload encrypted.',
    parameters: [
      header('X-Webhook-Event-Id', 'The same on every attempt: what to recognise a duplicate by.'),
      header('X-Webhook-Event-Type', eventType.type),
      header('X-Webhook-Stream-Id', 'What is kept in order.'),
      header(
        'X-Webhook-Sequence',
        '1, 2, 3 … in the stream; absent for unordered types.',
        eventType.ordering === 'stream',
      ),
      header('X-Webhook-Attempt', '1, 2, …'),
      header('X-Webhook-Epoch', 'Grows when another process takes over.'),
      header('X-Card-Onboarding-Timestamp', 'Format signed-json: the time of this attempt.', false),
      header('X-Card-Onboarding-Signature', 'Format signed-json: hex HMAC-SHA256 over timestamp, ":" and body.', false),
    ],
    requestBody: {
      required: true,
      content: { 'application/json': { schema: withoutMeta(eventType.schema), example: eventType.sample } },
    },
    responses: { '2XX': { description: 'Received. Anything else is tried again.' } },
  };
}

const jsonContent = (schema: unknown): Json => ({ 'application/json': { schema } });

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  return withoutMeta(z.toJSONSchema(schema, { io, unrepresentable: 'any' }));
}

/** OpenAPI 3.1 has the dialect of the whole document: embedded schemas must not have names and dialects of their own. */
function withoutMeta({ $schema, $id, ...schema }: Json): Json {
  return schema;
}
