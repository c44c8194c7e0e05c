// The front door of endpoints: who receives what, where, how, and with which secret.
export { endpointsMigrations } from './migrations.ts';
export { endpointsEntities, type TenantRow } from './entities.ts';
export { type MasterKey, type Opened, SecretBox, type SecretPlace } from './secret-box.ts';
export {
  type EndpointPolicy,
  findChangedEndpointPolicies,
  findEndpointPolicies,
  findEndpointRevisions,
  pauseEndpoint,
  type RecordPause,
} from './policy.ts';
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
export { findLivingEndpoints } from './living-endpoints.ts';
export { uuidV7 } from './uuid.ts';
