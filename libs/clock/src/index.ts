// The front door of clock: time and chance as arguments, so that tests can hold both still.
export { systemClock, type Clock } from './clock.ts';
export { FakeClock } from './fake-clock.ts';
export { seededRandom, type Random } from './random.ts';
export { deferred, type Deferred } from './deferred.ts';
// What simulations are made of.
export { Dice } from './dice.ts';
export { ProcessLife } from './process-life.ts';
export { SimulatedRun } from './simulated-run.ts';
export { Violation } from './violation.ts';
