import { failureOf } from '../failure.js';
import { printJson } from '../output.js';
import type { Report } from './report.js';

/** Every event as a line of JSON on standard output. */
export function createJsonReport(): Report {
  return {
    onEvent: printJson,
    onImageFailed: () => undefined,
    onImported: (source, image) => printJson({ kind: 'imported', source, image }),
    onImportFailed: (source, error) => printJson({ kind: 'import-failed', source, error: failureOf(error) }),
    close: () => undefined,
  };
}
