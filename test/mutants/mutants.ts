// All deliberately broken builds.
import { consumerMutants } from './consumer-mutants.ts';
import type { Mutant } from './mutant.ts';
import { relayMutants } from './relay-mutants.ts';

export const mutants: readonly Mutant[] = [...relayMutants, ...consumerMutants];
