// Front door of schema-registry: registers the catalogue's schemas, and knows their ids.
export { registerSchemas, type RegisteredSubject, type RegisterOptions } from './register-schemas.ts';
export { RegistryFault, type RegistryFaultCode } from './registry-fault.ts';
export { SchemaIds } from './schema-ids.ts';
export { subjectOf } from './subjects.ts';
