// Front door of the test kit: the run's servers, a database per file, a receiver that misbehaves on demand, bounded waits.
export { registryUrl, stackAddresses, testKafka } from './addresses.ts';
export type { TestKafka } from './addresses.ts';
export { selfSignedCertificate } from './certificate.ts';
export type { Certificate, CertificateOptions } from './certificate.ts';
export { createTestDatabase } from './database.ts';
export type { TestDatabase, TestDatabaseOptions } from './database.ts';
export { leakCheck } from './leaks.ts';
export type { LeakCheck } from './leaks.ts';
export { startReceiver } from './receiver.ts';
export type { Answer, Arrival, Behaviour, Receiver, ReceiverOptions } from './receiver.ts';
export { startThrowawayStack } from './stack.ts';
export type { StackAddresses, ThrowawayStack } from './stack.ts';
export { until } from './until.ts';
export type { Truthy, UntilOptions } from './until.ts';
