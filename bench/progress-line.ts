import type { RunRecord } from './record.js';
import { formatSeconds } from './report/format.js';

/** What is worth a line while a run goes on. */
export function progressLine(record: RunRecord): string | null {
  switch (record.kind) {
    case 'run':
      return null;
    case 'case':
      return `${record.title}:`;
    case 'sample':
      return `  ${record.round === 0 ? 'warm-up' : `round ${record.round}`}  ${record.contender}  ${formatSeconds(record.seconds)}`;
    case 'left-out':
      return `  ${record.contender} ${record.why}: ${record.reason}`;
    default:
      return record satisfies never;
  }
}
