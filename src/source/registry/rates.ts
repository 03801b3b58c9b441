import { backoffMs, LONGEST_RETRY_AFTER_MS } from './retry.js';
import type { Timing } from './timing.js';

/** What a host's answers of 429 mean for everybody who asks it (R70). */
export interface Rates {
  /** The host asked for patience. @param retryAt milliseconds since the epoch; null when it does not say */
  limit(host: string, retryAt: number | null): void;
  /** Milliseconds until the host may be asked again. */
  waitMs(host: string): number;
  /** How many of so many connections the host may have. */
  allowed(host: string, connections: number): number;
}

/** A host that asked for no patience for so long gets one more connection. */
const RECOVERY_MS = 30_000;
const MOST_HOSTS = 1000;

interface Limited {
  /** By the monotonic clock. */
  readonly until: number;
  /** How often the connections were halved. */
  readonly halvings: number;
}

export function createRates(timing: Timing): Rates {
  const hosts = new Map<string, Limited>();

  const waitMs = (host: string): number => Math.max(0, (hosts.get(host)?.until ?? 0) - timing.monotonic());
  const allowed = (host: string, connections: number): number => {
    const limited = hosts.get(host);
    if (limited === undefined) return connections;
    const back = Math.floor(Math.max(0, timing.monotonic() - limited.until) / RECOVERY_MS);
    return Math.min(connections, Math.max(1, Math.floor(connections / 2 ** limited.halvings)) + back);
  };
  return {
    limit: (host, retryAt) => {
      const before = hosts.get(host);
      // Answers to requests that went out together are one answer.
      const isNew = waitMs(host) === 0;
      const isRecovered = allowed(host, RECOVERED_CONNECTIONS) === RECOVERED_CONNECTIONS;
      const halvings = (isRecovered ? 0 : (before?.halvings ?? 0)) + (isNew ? 1 : 0);
      const wait = retryAt === null ? backoffMs('RATE_LIMITED', halvings, timing) : withJitter(retryAt, timing);
      // Who asks for more gets no new try from anybody (R69); the other pulls are told by their own replies.
      if (wait > LONGEST_RETRY_AFTER_MS + 1000) return;
      hosts.delete(host);
      hosts.set(host, { until: Math.max(before?.until ?? 0, timing.monotonic() + wait), halvings });
      const [oldest] = hosts.keys();
      if (hosts.size > MOST_HOSTS && oldest !== undefined) hosts.delete(oldest);
    },
    waitMs,
    allowed,
  };
}

/** When the larger of the limits is reached again, what was before is forgotten. */
const RECOVERED_CONNECTIONS = 6;

function withJitter(retryAt: number, timing: Timing): number {
  return Math.max(0, retryAt - timing.now()) + timing.random() * 1000;
}
