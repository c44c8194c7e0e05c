// Every operation of the API: its address, who may, what goes in, what comes out. Guard and OpenAPI document read this table.
import type { z } from 'zod';
import { endpointPatchSchema, newEndpointSchema, tenantInputSchema } from '#endpoints/admin';
import type { RightName } from './roles.ts';
import * as input from './schemas.ts';
import * as view from './views.ts';

export interface Operation {
  method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** With `{name}` for parameters. */
  path: string;
  id: string;
  summary: string;
  right: RightName | 'public';
  query?: z.ZodObject;
  body?: z.ZodType;
  status: number;
  answer?: z.ZodType;
}

const { listOf } = view;

// prettier-ignore
export const operations: readonly Operation[] = [
  { method: 'PUT', path: '/v1/tenants/{tenantId}', id: 'putTenant', summary: 'Create or update a tenant.', right: 'tenants.write', body: tenantInputSchema, status: 200, answer: view.tenantView },
  { method: 'GET', path: '/v1/tenants', id: 'listTenants', summary: 'List tenants.', right: 'tenants.read', query: input.pageQuery, status: 200, answer: listOf(view.tenantView) },
  { method: 'POST', path: '/v1/tenants/{tenantId}/endpoints', id: 'createEndpoint', summary: 'Create an endpoint; the answer holds its secret, this once.', right: 'endpoints.write', body: newEndpointSchema, status: 201, answer: view.createdEndpointView },
  { method: 'GET', path: '/v1/tenants/{tenantId}/endpoints', id: 'listEndpoints', summary: 'List the endpoints of a tenant.', right: 'endpoints.read', query: input.pageQuery, status: 200, answer: listOf(view.endpointView) },
  { method: 'GET', path: '/v1/endpoints/{id}', id: 'getEndpoint', summary: 'Read an endpoint.', right: 'endpoints.read', status: 200, answer: view.endpointView },
  { method: 'PATCH', path: '/v1/endpoints/{id}', id: 'changeEndpoint', summary: 'Change an endpoint: only the fields that are given.', right: 'endpoints.write', body: endpointPatchSchema, status: 200, answer: view.endpointView },
  { method: 'DELETE', path: '/v1/endpoints/{id}', id: 'deleteEndpoint', summary: 'Delete an endpoint; its open deliveries become skipped.', right: 'endpoints.write', status: 204 },
  { method: 'POST', path: '/v1/endpoints/{id}/retry-halted', id: 'retryHalted', summary: 'Wake every halted lane of an endpoint.', right: 'lanes.command', body: input.reasonBody, status: 202, answer: view.retryHaltedView },
  { method: 'GET', path: '/v1/deliveries', id: 'listDeliveries', summary: 'Find callback records.', right: 'deliveries.read', query: input.deliveriesQuery, status: 200, answer: listOf(view.deliveryView) },
  { method: 'GET', path: '/v1/deliveries/{id}', id: 'getDelivery', summary: 'Read a callback record with its attempts.', right: 'deliveries.read', query: input.deliveryQuery, status: 200, answer: view.deliveryDetailView },
  { method: 'GET', path: '/v1/lanes', id: 'listLanes', summary: 'Find lanes: the blocked ones, or those of one endpoint or stream.', right: 'lanes.read', query: input.lanesQuery, status: 200, answer: listOf(view.laneView) },
  { method: 'POST', path: '/v1/lanes/{endpointId}/{streamId}/retry', id: 'retryLane', summary: "Try the lane's head again, with all its attempts.", right: 'lanes.command', body: input.commandBody, status: 202, answer: view.commandView },
  { method: 'POST', path: '/v1/lanes/{endpointId}/{streamId}/skip', id: 'skipHead', summary: "Give up the lane's head and go on.", right: 'lanes.command', body: input.commandBody, status: 202, answer: view.commandView },
  { method: 'GET', path: '/v1/event-types', id: 'listEventTypes', summary: 'The catalogue of event types.', right: 'catalogue.read', status: 200, answer: listOf(view.eventTypeView) },
  { method: 'GET', path: '/v1/audit', id: 'listAuditEntries', summary: 'The audit trail, newest first.', right: 'audit.read', query: input.auditQuery, status: 200, answer: listOf(view.auditEntryView) },
  { method: 'GET', path: '/v1/stats', id: 'getStats', summary: 'Counters and rates for charts.', right: 'stats.read', status: 200, answer: view.statsView },
  { method: 'POST', path: '/v1/tokens', id: 'createToken', summary: 'Create an API token; the answer holds it, this once.', right: 'tokens.manage', body: input.tokenBody, status: 201, answer: view.createdTokenView },
  { method: 'GET', path: '/v1/tokens', id: 'listTokens', summary: 'List API tokens.', right: 'tokens.manage', query: input.pageQuery, status: 200, answer: listOf(view.tokenView) },
  { method: 'DELETE', path: '/v1/tokens/{id}', id: 'deleteToken', summary: 'End an API token.', right: 'tokens.manage', status: 204 },
  { method: 'GET', path: '/v1/openapi.json', id: 'getOpenApi', summary: 'This document.', right: 'public', status: 200 },
];

/** `{name}` as the router writes it. */
export const routeOf = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

const byRoute = new Map(operations.map((operation) => [`${operation.method} ${routeOf(operation.path)}`, operation]));

/** `route` is the router's pattern. HEAD is answered wherever GET is. */
export function findOperation(method: string, route: string): Operation | undefined {
  return byRoute.get(`${method === 'HEAD' ? 'GET' : method} ${route}`);
}
