import type { SluiceEvent } from '../../index.js';
import type { LogLevel } from '../options.js';
import { printable, shortDigest } from '../text.js';

const LEVELS: readonly LogLevel[] = ['error', 'warn', 'info', 'debug'];
const LABELS = { warn: 'warning', info: 'info', debug: 'debug' } as const;

/** The line that tells of a warning or notice; null for other events, and for those above the level. */
export function messageOf(event: SluiceEvent, atMost: LogLevel): string | null {
  if (event.kind === 'warning') return isWanted('warn', atMost) ? printable(warningText(event)) : null;
  if (event.kind !== 'notice' || !isWanted(event.level, atMost)) return null;
  return printable(`${LABELS[event.level]}: ${event.message}${event.host === undefined ? '' : ` (${event.host})`}`);
}

function warningText({ rule, message, layer, count, first }: SluiceEvent & { readonly kind: 'warning' }): string {
  const places = [
    ...(layer === undefined ? [] : [`layer ${shortDigest(layer, 12)}`]),
    count === 1 ? 'once' : `${count} times`,
    ...(first[0] === undefined ? [] : [`first ${first[0].entry}`]),
  ];
  return `warning[${rule}]: ${message} (${places.join(', ')})`;
}

function isWanted(level: LogLevel, atMost: LogLevel): boolean {
  return LEVELS.indexOf(level) <= LEVELS.indexOf(atMost);
}
