// The names under which the module's parts are known to each other.
export const CONFIG = Symbol('config');
export const LOGGER = Symbol('logger');
export const REGISTRY = Symbol('metrics registry');
export const POOL = Symbol('pool');
export const CONSUMER = Symbol('kafka consumer');
export const PRODUCER = Symbol('kafka producer');
export const SENDER = Symbol('http sender');
export const DISPATCHER = Symbol('dispatcher');
export const TRANSPORT = Symbol('transport');
export const SERVICES = Symbol('services');
export const KAFKA = Symbol('kafka');
