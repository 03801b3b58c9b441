import type { WriteStream } from 'node:tty';
import { MultiBar } from 'cli-progress';
import { failureLines } from '../failure.js';
import type { LogLevel } from '../options.js';
import { printLine } from '../output.js';
import { messageOf } from './message.js';
import { applyEvent, createProgress, failImage } from './progress.js';
import type { Report } from './report.js';
import { viewOf } from './view.js';

/** What a terminal has when it does not tell. */
const DEFAULT_ROWS = 24;
const FRAMES_PER_SECOND = 10;

/** Lines that are drawn again while the work goes on; cli-progress moves the cursor, {@link viewOf} says what is seen. */
export function openTerminalReport(stream: WriteStream, level: LogLevel): Report {
  const progress = createProgress();
  const held: string[] = [];
  let drawing: Drawing | null = null;

  const note = (line: string): void => {
    if (drawing) drawing.writeAbove(line);
    else stream.write(`${line}\n`);
  };
  const close = (): void => {
    drawing?.close();
    drawing = null;
    held.splice(0).forEach(printLine);
    process.off('exit', close);
  };
  process.once('exit', close);
  return {
    onEvent: (event) => {
      applyEvent(progress, event);
      const line = messageOf(event, level);
      if (line !== null) note(line);
      if (event.kind === 'resolve') drawing ??= openDrawing(stream, (rows) => viewOf(progress, rows));
    },
    onImageFailed: (image) => failImage(progress, image),
    onImported: (_, { reference }) => {
      if (drawing && process.stdout.isTTY) held.push(reference);
      else printLine(reference);
    },
    onImportFailed: (source, error) => failureLines(error, source).forEach(note),
    close,
  };
}

/** Lines at the bottom of a terminal. */
interface Drawing {
  writeAbove(line: string): void;
  /** Leaves the last state on the screen, and gives the cursor back. */
  close(): void;
}

function openDrawing(stream: WriteStream, view: (rows: number) => readonly string[]): Drawing {
  let lines: readonly string[] = [];
  let drawn = 0;
  const bars = new MultiBar({
    stream,
    fps: FRAMES_PER_SECOND,
    hideCursor: true,
    linewrap: false,
    gracefulExit: false,
    forceRedraw: true,
    format: (_options, _params, { index }: { index: number }) => lines[index] ?? '',
  });
  const look = (): void => {
    lines = view((stream.rows || DEFAULT_ROWS) - 1);
    while (drawn < lines.length) bars.create(1, 0, { index: drawn++ });
  };
  bars.on('update-pre', look).on('stop-pre-clear', look);
  look();
  bars.update();
  return {
    writeAbove: (line) => bars.log(`${line}\x1b[K\n`),
    close: () => {
      bars.update();
      bars.stop();
    },
  };
}
