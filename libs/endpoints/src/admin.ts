// The second door of endpoints, for who administers them: tenants and endpoints by TypeORM, and the checks of what is sent.
export { endpointsEntities, type TenantRow } from './entities.ts';
export { check, type Checked, type FieldFault } from './field-fault.ts';
export {
  checkEndpointPatch,
  checkNewEndpoint,
  endpointDefaults,
  type EndpointPatch,
  endpointPatchSchema,
  type EndpointSettings,
  type NewEndpoint,
  newEndpointSchema,
  tenantIdSchema,
  type TenantInput,
  tenantInputSchema,
  type UrlGuard,
} from './input.ts';
export { listTenants, putTenant } from './tenants.ts';
export {
  type Changed,
  changeEndpoint,
  type Created,
  createEndpoint,
  deleteEndpoint,
  type Endpoint,
  findEndpoint,
  listEndpoints,
} from './endpoints.ts';
