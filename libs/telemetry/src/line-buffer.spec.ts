// What is gathered, and when it is handed on.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LineBuffer } from './line-buffer.ts';

let written: string[];
let lines: LineBuffer;

beforeEach(() => {
  vi.useFakeTimers();
  written = [];
  lines = new LineBuffer({ write: (text) => void written.push(text) });
});

afterEach(() => {
  process.off('exit', process.listeners('exit').at(-1)!);
  vi.useRealTimers();
});

describe('LineBuffer', () => {
  it('hands lines on together, 100 ms after the first', () => {
    lines.write('a\n');
    vi.advanceTimersByTime(99);
    lines.write('b\n');
    expect(written).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(written).toEqual(['a\nb\n']);
    lines.write('c\n');
    vi.advanceTimersByTime(100);
    expect(written).toEqual(['a\nb\n', 'c\n']);
  });

  it('hands them on at once when they are many', () => {
    const line = `${'x'.repeat(1_023)}\n`;
    for (let i = 0; i < 33; i++) lines.write(line);
    expect(written).toEqual([line.repeat(32)]);
    vi.advanceTimersByTime(100);
    expect(written).toEqual([line.repeat(32), line]);
  });

  it('hands on what is left when the process ends', () => {
    lines.write('last words\n');
    const listener = process.listeners('exit').at(-1) as () => void;
    listener();
    expect(written).toEqual(['last words\n']);
    vi.advanceTimersByTime(1_000);
    expect(written).toHaveLength(1);
  });
});
