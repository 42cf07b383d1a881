import { describe, expect, it } from 'vitest';
import { formatAge, formatBytes, parseDuration } from './duration.ts';
import { renderFields, renderTable } from './table.ts';
import { isInteractive, usesColour } from './terminal.ts';
import { printable, printableLine } from './text.ts';

describe('tables', () => {
  it('align their columns and show what is absent as -', () => {
    const text = renderTable(
      [
        { a: 'one', b: null },
        { a: 'a longer one', b: 2 },
      ],
      [
        { title: 'name', value: (item) => item.a },
        { title: 'number', value: (item) => item.b },
      ],
    );
    expect(text).toBe('NAME          NUMBER\none           -\na longer one  2\n');
  });

  it('keep one line a row, whatever the server says', () => {
    expect(renderTable([{ a: 'x\ny\tz' }], [{ title: 'a', value: (item) => item.a }])).toBe('A\nx y z\n');
    expect(renderFields([['name', 'x\r\ny']])).toBe('name:  x y\n');
  });
});

describe('text of the server', () => {
  it('cannot send escape sequences to the terminal or turn the direction of text', () => {
    expect(printable('a\u001b[31mred\u009b0m')).toBe('a\ufffd[31mred\ufffd0m');
    expect(printableLine('a\u202eb\u0007')).toBe('a\ufffdb\ufffd');
    expect(printable('two\nlines\t✔')).toBe('two\nlines\t✔');
  });
});

describe('times', () => {
  it.each([
    ['90s', 90],
    ['10m', 600],
    ['1h', 3600],
    ['30d', 2_592_000],
    ['45', 45],
    ['', undefined],
    ['10 m', undefined],
    ['-5s', undefined],
    ['1.5h', undefined],
  ])('%j is %j seconds', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  it('are shown in the largest unit that says enough', () => {
    expect([5, 119, 120, 7199, 7200, 172_799, 172_800].map(formatAge)).toEqual([
      '5 s',
      '119 s',
      '2 min',
      '119 min',
      '2 h',
      '47 h',
      '2 d',
    ]);
    expect([999, 1000, 1_400_000].map(formatBytes)).toEqual(['999 B', '1.0 kB', '1.4 MB']);
  });
});

describe('a terminal', () => {
  const tty = { isTTY: true } as never;
  const terminal = (environment: Record<string, string>) => ({
    stdin: tty,
    stdout: tty,
    stderr: tty,
    environment,
  });

  it('is asked nothing in a CI job', () => {
    expect(isInteractive(terminal({}))).toBe(true);
    expect(isInteractive(terminal({ CI: 'true' }))).toBe(false);
    expect(isInteractive({ ...terminal({}), stdin: {} as never })).toBe(false);
  });

  it('shows no colour with NO_COLOR, or when it is none', () => {
    expect(usesColour(terminal({}), tty)).toBe(true);
    expect(usesColour(terminal({ NO_COLOR: '1' }), tty)).toBe(false);
    expect(usesColour(terminal({ NO_COLOR: '' }), tty)).toBe(true);
    expect(usesColour(terminal({}), {})).toBe(false);
  });
});
