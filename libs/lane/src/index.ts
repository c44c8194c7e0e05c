// Lanes as pure decisions: order, retries, offsets, fairness. Nothing here does I/O or reads a clock.
export {
  Lane,
  laneKey,
  newDelivery,
  type BlockReason,
  type Delivery,
  type LaneMode,
  type LanePlace,
  type LaneState,
  type Reception,
} from './lane.ts';
export { OffsetTracker, type RecordPosition } from './offsets.ts';
export { isExhausted, MAX_RETRY_AFTER_MS, retryDelayMs, type RetryPolicy } from './schedule.ts';
export { classify, parseRetryAfter, type AttemptResult, type Outcome } from './outcome.ts';
export { CircuitBreaker, defaultBreaker, type BreakerOptions } from './circuit-breaker.ts';
export { DueHeap, type Due } from './due-heap.ts';
export { Fifo } from './fifo.ts';
