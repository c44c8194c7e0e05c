// What the status service reads of deliveries and lanes, and what it asks of their owners.
export * from './commands.ts';
export { decodeCursor, encodeCursor } from './cursor.ts';
export { DELIVERY_STATES } from './delivery-arms.ts';
export * from './delivery-id.ts';
export * from './lanes-query.ts';
export * from './queries.ts';
export * from './reading-indexes.ts';
export * from './stats-query.ts';
