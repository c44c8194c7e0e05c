// Cursors of paged lists: the sort key of the last row shown, as one opaque word.

/** Opaque to clients; `kind` keeps the cursor of one list and order out of another. */
export function encodeCursor(kind: string, key: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify([kind, ...key])).toString('base64url');
}

/** The key that `encodeCursor` was given, or null when the text is no cursor of this kind with `length` parts. */
export function decodeCursor(kind: string, cursor: string, length: number): (string | number)[] | null {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    if (!Array.isArray(parsed) || parsed.length !== length + 1 || parsed[0] !== kind) return null;
    const key: unknown[] = parsed.slice(1);
    return key.every((part) => typeof part === 'string' || typeof part === 'number') ? key : null;
  } catch {
    return null;
  }
}
