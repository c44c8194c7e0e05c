// How PostgreSQL's types arrive in TypeScript: bigint as number (our counters stay far below 2^53), everything else as pg has it.
import pg from 'pg';

export const builtins = pg.types.builtins;
export const setTypeParser = pg.types.setTypeParser;
