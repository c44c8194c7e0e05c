// Front door of the local stack, for the demo, the benchmark and the test kit.
export { StackError } from './errors.ts';
export { startStack, stopStack, stackStatus } from './local-stack.ts';
export type { StackAddresses, StackOptions, StackStatus, StopOptions } from './local-stack.ts';
export type { PartState, PartStatus } from './part.ts';
export { serviceCommand, type ServiceCommand } from './service-command.ts';
