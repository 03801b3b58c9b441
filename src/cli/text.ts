const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Makes text from outside harmless to a terminal: control and format characters are escaped. */
export function printable(text: string): string {
  return text.replace(/\p{C}/gu, (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`);
}

/** `1536` is `1.5 KiB`. */
export function formatBytes(bytes: number): string {
  const { amount, unit } = scale(bytes);
  return `${unit === 0 ? amount : amount.toFixed(1)} ${UNITS[unit]}`;
}

/** `1536` is `1.5K`: five characters at most. */
export function shortBytes(bytes: number): string {
  const { amount, unit } = scale(bytes);
  return `${unit === 0 || amount >= 99.95 ? Math.floor(amount) : amount.toFixed(1)}${UNITS[unit]![0]}`;
}

function scale(bytes: number): { amount: number; unit: number } {
  let amount = bytes;
  let unit = 0;
  for (; amount >= 1024 && unit < UNITS.length - 1; unit++) amount /= 1024;
  return { amount, unit };
}

/** The first hex digits of a digest. */
export function shortDigest(digest: string, digits: number): string {
  return digest.slice(digest.indexOf(':') + 1).slice(0, digits);
}

/** Lines of cells as columns, each as wide as its widest cell. */
export function formatTable(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}
