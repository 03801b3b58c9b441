import type { SluiceEvent } from '../../index.js';
import { failureLines } from '../failure.js';
import type { LogLevel } from '../options.js';
import { noteLine, printLine } from '../output.js';
import { formatBytes, shortDigest } from '../text.js';
import { messageOf } from './message.js';
import { applyEvent, countLines, createProgress, type Progress } from './progress.js';
import type { Report } from './report.js';

/** One line for each thing that is done, for files and pipes. */
export function createPlainReport(level: LogLevel): Report {
  const progress = createProgress();
  return {
    onEvent: (event) => {
      applyEvent(progress, event);
      const line = messageOf(event, level) ?? lineOf(event, progress);
      if (line !== null) noteLine(line);
    },
    onImageFailed: (image) => {
      if (progress.images.get(image) === 'resolving') noteLine('Fetch image details ✗');
    },
    onImported: (_, { reference }) => printLine(reference),
    onImportFailed: (source, error) => failureLines(error, source).forEach(noteLine),
    close: () => undefined,
  };
}

function lineOf(event: SluiceEvent, progress: Progress): string | null {
  switch (event.kind) {
    case 'resolved':
      return 'Fetch image details ✓';
    case 'layer-present':
      return layerLine(event.layer, 'present ✓', progress);
    case 'layer-done':
      return layerLine(event.layer, `done ✓ ${sizesOf(event)}`, progress);
    case 'layer-failed':
      return event.error.code === 'ABORTED' ? null : layerLine(event.layer, 'failed ✗', progress);
    default:
      return null;
  }
}

function layerLine(layer: string, state: string, progress: Progress): string {
  return `${countLines(progress)[1]}: ${shortDigest(layer, 8)} ${state}`;
}

function sizesOf({ packedBytes, unpackedBytes }: SluiceEvent & { readonly kind: 'layer-done' }): string {
  return `${formatBytes(packedBytes)}, ${formatBytes(unpackedBytes)} unpacked`;
}
