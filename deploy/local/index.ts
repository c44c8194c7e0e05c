// Front door of the local stack, for the demo, the benchmark and the tests.
export { StackError } from './errors.ts';
export { startStack, stopStack, stackStatus } from './local-stack.ts';
export type { StackAddresses, StackOptions, StackStatus, StopOptions } from './local-stack.ts';
export { signalStackPart, stackBrokers, startStackPart } from './one-part.ts';
export type { PartState, PartStatus } from './part.ts';
export { freePort, freePorts, isFree } from './ports.ts';
export { serviceCommand, type ServiceCommand } from './service-command.ts';
