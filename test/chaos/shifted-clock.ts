// Loaded into a service before its own code: its wall clock is off by what a file says, its timers go right.
import { readFileSync } from 'node:fs';

const LOOK_EVERY_MS = 100;

const RealDate = Date;
let offsetMs = 0;
const now = () => RealDate.now() + offsetMs;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, given, newTarget) => Reflect.construct(target, given.length === 0 ? [now()] : given, newTarget),
  get: (target, name, receiver) => (name === 'now' ? now : Reflect.get(target, name, receiver)),
});

const file = process.env['CHAOS_CLOCK'];
if (file !== undefined) setInterval(() => (offsetMs = readOffset(file)), LOOK_EVERY_MS).unref();

/** No file: no shift. */
function readOffset(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8')) || 0;
  } catch {
    return 0;
  }
}
