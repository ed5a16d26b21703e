import { printable } from '../text/printable.ts';
import { cut, widthOf } from './display-width.ts';

const GAP = '  ';
/** Columns are not made narrower than this. */
const MIN_WIDTH = 3;

/**
 * Returns a table whose lines are at most so many columns wide; the widest cells are cut first.
 *
 * @param rows the first one is the heading
 */
export function formatTable(rows: readonly (readonly string[])[], columns: number): string {
  const cells = rows.map((row) => row.map(printable));
  const widths = fit(
    (cells[0] ?? []).map((_, index) => Math.max(...cells.map((row) => widthOf(row[index] ?? '')))),
    columns,
  );
  const lines = cells.map((row) => row.map((cell, index) => pad(cell, widths[index] ?? 0)).join(GAP));
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

/** Takes a column after the other from the widest cells until all fit. */
function fit(widths: readonly number[], columns: number): number[] {
  const fitting = [...widths];
  let surplus = fitting.reduce((sum, width) => sum + width + GAP.length, -GAP.length) - columns;
  for (; surplus > 0; surplus--) {
    const widest = fitting.lastIndexOf(Math.max(...fitting));
    if ((fitting[widest] ?? 0) <= MIN_WIDTH) break;
    fitting[widest] = (fitting[widest] ?? 0) - 1;
  }
  return fitting;
}

function pad(cell: string, width: number): string {
  const text = cut(cell, width);
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}
