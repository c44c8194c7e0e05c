// Negative controls: each takes a valid history and does to it what one check must see.
import { captureControls } from './capture.ts';
import { lanesControls } from './lanes.ts';
import { requestsControls } from './requests.ts';
import { answersControls } from './answers.ts';
import { timeAndStateControls } from './time-and-state.ts';
import { surroundingsControls } from './surroundings.ts';
import type { Control } from './choose.ts';

export type { Pick } from './choose.ts';

export const controls: readonly Control[] = [
  ...captureControls,
  ...lanesControls,
  ...requestsControls,
  ...answersControls,
  ...timeAndStateControls,
  ...surroundingsControls,
];
