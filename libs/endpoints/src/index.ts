// The front door of endpoints, for who delivers: where, how and with which secret. Who changes endpoints uses admin.ts.
export { endpointsMigrations } from './migrations.ts';
export { type MasterKey, type Opened, SecretBox, type SecretPlace } from './secret-box.ts';
export {
  type EndpointPolicy,
  findChangedEndpointPolicies,
  findEndpointPolicies,
  findEndpointRevisions,
  pauseEndpoint,
  type RecordPause,
} from './policy.ts';
export { findLivingEndpoints } from './living-endpoints.ts';
