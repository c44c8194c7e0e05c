// Bridges Zod's optional fields (absent or undefined) to types that know only absent ones.

/** The same object without the fields that are undefined. */
export function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as never;
}
