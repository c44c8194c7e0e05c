// Deliberately broken builds: what each breaks, and a seed that is known to find it out.
import type { WorldName } from '../simulation/worlds.ts';

export interface Edit {
  file: string;
  /** Occurs exactly once in the file. */
  from: string;
  to: string;
}

export interface Mutant {
  name: string;
  /** The promise or rule that it breaks. */
  breaks: string;
  edits: readonly Edit[];
  world: WorldName;
  seed: number;
}

export const edit = (file: string, from: string, to: string): Edit => ({ file, from, to });
