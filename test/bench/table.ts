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
  return alignColumns(lines, { texts: [0, 4, 6] });
}

/** Returns the lines with their columns aligned: those of texts left, those of numbers right. */
export function alignColumns(
  lines: readonly (readonly string[])[],
  { texts }: { readonly texts: readonly number[] },
): string[] {
  const widthOf = (column: number): number => Math.max(...lines.map((line) => line[column]?.length ?? 0));
  const widths = (lines[0] ?? []).map((_, column) => widthOf(column));
  const pad = (cell: string, column: number): string =>
    texts.includes(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  return lines.map((line) => line.map(pad).join('  ').trimEnd());
}

/** Three digits that matter. */
function formatNumber(value: number): string {
  if (Number.isInteger(value) || value >= 100) return value.toFixed(0);
  return value.toFixed(value >= 10 ? 1 : 2);
}
