import { failureLines } from '../failure.js';
import { noteLine } from '../output.js';
import type { Report } from './report.js';

/** Errors alone. */
export function createQuietReport(): Report {
  return {
    onEvent: () => undefined,
    onImageFailed: () => undefined,
    onImported: () => undefined,
    onImportFailed: (source, error) => failureLines(error, source).forEach(noteLine),
    close: () => undefined,
  };
}
