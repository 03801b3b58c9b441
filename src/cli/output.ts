import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** A reader that closes its end, as `head` does, ends the output and not the work. */
export function ignoreClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}

/** One line of results. */
export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A long result, as fast as it is taken; a reader that closes its end ends it. */
export async function printPieces(pieces: AsyncIterable<Buffer>): Promise<void> {
  try {
    await pipeline(Readable.from(pieces, { objectMode: false }), process.stdout, { end: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  }
}

/** One line of progress, or of anything else that is no result. */
export function noteLine(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** One JSON value on a line of its own. */
export function printJson(value: unknown): void {
  printLine(JSON.stringify(value));
}
