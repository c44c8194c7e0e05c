// Finding Java, and what is said when there is none.
import { describe, expect, it } from 'vitest';
import { StackError } from './errors.ts';
import { findMaven, missingJava, parseJavaMajor } from './java.ts';

describe('parseJavaMajor', () => {
  it.each([
    ['openjdk version "25.0.3" 2026-04-21 LTS', 25],
    ['openjdk version "21" 2023-09-19', 21],
    ['java version "1.8.0_392"', 8],
    ['openjdk version "22-ea" 2024-03-19', 22],
    ['command not found', null],
  ])('reads %s', (text, major) => expect(parseJavaMajor(text)).toBe(major));
});

it('names the Debian packages when Java or Maven is missing', () => {
  expect(missingJava(['/usr/bin/java is Java 17'])).toMatch(/Java 21 or newer \(\/usr\/bin\/java is Java 17\)/);
  expect(missingJava([])).toMatch(/apt-get install openjdk-21-jre-headless maven/);
  expect(() => findMaven({ PATH: '/nowhere' })).toThrow(StackError);
  expect(() => findMaven({ PATH: '/nowhere' })).toThrow(/apt-get install maven/);
});
