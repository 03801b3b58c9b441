import type { WarningPlace } from '../events.js';
import type { Warning } from '../transfer/protocol.js';
import { entryNamed } from './path.js';

/** Places that are given in full, a rule. */
const FIRST = 20;
const NO_ENTRY = new Uint8Array(0);

export interface Warnings {
  /** @param entry its name, not kept; null when no entry is meant @param offset in the tar stream */
  add(rule: string, message: string, entry: Uint8Array | null, offset: number, detail?: string): void;
  list(): readonly Warning[];
}

/** Counts warnings by rule, so that ten thousand of one kind are one event. */
export function createWarnings(): Warnings {
  const byRule = new Map<string, { message: string; count: number; first: WarningPlace[] }>();
  return {
    add(rule, message, entry, offset, detail) {
      let warning = byRule.get(rule);
      if (!warning) byRule.set(rule, (warning = { message, count: 0, first: [] }));
      if (++warning.count > FIRST) return;
      warning.first.push({ ...entryNamed(entry ?? NO_ENTRY), offset, ...(detail && { detail }) });
    },
    list: () => [...byRule].map(([rule, warning]) => ({ rule, ...warning })),
  };
}
