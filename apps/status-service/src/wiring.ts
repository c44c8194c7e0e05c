// The names under which the module's parts are injected.
export const CLOCK = Symbol('clock');
export const LOGGER = Symbol('logger');
export const POOL = Symbol('pool');
export const DATA_SOURCE = Symbol('data source');
export const SECRET_BOX = Symbol('secret box');
export const URL_GUARD = Symbol('url guard');
export const TICKETS = Symbol('retry tickets');
export const STATS = Symbol('stats');
export const OPENAPI = Symbol('openapi document');
