import type { WarningPlace } from '../events.js';
import type { Warning } from '../transfer/protocol.js';

/** Places that are given in full, a rule. */
const FIRST = 20;

export interface Warnings {
  /** @param entry printable name @param offset in the tar stream */
  add(rule: string, message: string, entry: string, offset: number, detail?: string): void;
  list(): readonly Warning[];
}

/** Counts warnings by rule, so that ten thousand of one kind are one event. */
export function createWarnings(): Warnings {
  const byRule = new Map<string, { message: string; count: number; first: WarningPlace[] }>();
  return {
    add(rule, message, entry, offset, detail) {
      let warning = byRule.get(rule);
      if (!warning) byRule.set(rule, (warning = { message, count: 0, first: [] }));
      if (++warning.count <= FIRST) warning.first.push({ entry, offset, ...(detail && { detail }) });
    },
    list: () => [...byRule].map(([rule, warning]) => ({ rule, ...warning })),
  };
}
