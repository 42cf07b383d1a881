import { printableLine } from './text.ts';

/** A cell that is not there (`null`, `undefined`) is shown as `-`. */
export type Cell = string | number | boolean | null | undefined;

export interface Column<Item> {
  readonly title: string;
  value(item: Item): Cell;
}

/** Left-aligned columns with two spaces between them, header in capitals; no borders, so that `awk` can read it. */
export function renderTable<Item>(items: readonly Item[], columns: readonly Column<Item>[]): string {
  const rows = [
    columns.map((column) => column.title.toUpperCase()),
    ...items.map((item) => columns.map((column) => cellText(column.value(item)))),
  ];
  const widths = columns.map((_, index) => Math.max(...rows.map((row) => (row[index] ?? '').length)));
  return rows.map((row) => line(row, widths)).join('');
}

/** `Name:   value`, one a line, values aligned. */
export function renderFields(fields: readonly (readonly [string, Cell])[]): string {
  const width = Math.max(0, ...fields.map(([name]) => name.length)) + 1;
  return fields.map(([name, value]) => `${`${name}:`.padEnd(width)}  ${cellText(value)}\n`).join('');
}

function cellText(value: Cell): string {
  if (value === null || value === undefined || value === '') return '-';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return printableLine(String(value));
}

function line(row: readonly string[], widths: readonly number[]): string {
  const padded = row.map((cell, index) =>
    index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0),
  );
  return `${padded.join('  ')}\n`;
}
