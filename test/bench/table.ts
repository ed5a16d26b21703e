import type { Row } from './suite.ts';

/** Returns the rows as lines of text with a heading, columns aligned. */
export function formatTable(rows: readonly Row[]): string[] {
  const lines = [
    ['', 'n', 'median', 'p95', 'unit', 'ratio', 'to'],
    ...rows.map(({ name, n, median, p95, unit, ratio, peer }) => [
      name,
      `${n}`,
      formatNumber(median),
      formatNumber(p95),
      unit === 'count' ? '' : unit,
      ratio === undefined ? '' : ratio.toFixed(2),
      peer ?? '',
    ]),
  ];
  const widths = lines.reduce<number[]>(
    (known, line) => line.map((cell, column) => Math.max(known[column] ?? 0, cell.length)),
    [],
  );
  return lines.map((line) =>
    line
      .map((cell, column) => (isText(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
}

const isText = (column: number): boolean => column === 0 || column === 4 || column === 6;

/** Three digits that matter. */
function formatNumber(value: number): string {
  if (Number.isInteger(value) || value >= 100) return value.toFixed(0);
  return value.toFixed(value >= 10 ? 1 : 2);
}
