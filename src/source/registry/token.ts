import * as z from 'zod/mini';
import { SluiceError } from '../../errors.js';
import { parseJson } from './body.js';
import { type Flight, joinFlight } from './join-flight.js';
import type { Timing } from './timing.js';

/** What a token is for; two equal ones share it (R20). */
export interface TokenKey {
  readonly realm: URL;
  readonly service: string | null;
  /** As the challenge has them. */
  readonly scopes: readonly string[];
  /** Whose token it is. */
  readonly identity: string;
}

export interface Token {
  readonly value: string;
  /** Milliseconds from the reply's arrival. */
  readonly lifetimeMs: number;
  /** An identity token that takes the place of the one that was shown. */
  readonly refreshToken: string | null;
}

/** Tokens in memory, one request in flight for each key. */
export interface TokenCache {
  /**
   * @param request asks the token server; its signal fires when nobody waits any more
   * @throws SluiceError what the request throws, ABORTED when the caller's signal fires
   */
  find(key: TokenKey, request: (signal: AbortSignal) => Promise<Token>, signal: AbortSignal): Promise<string>;
  /** Drops the token unless another one took its place already. */
  drop(key: TokenKey, value: string): void;
}

const DEFAULT_SECONDS = 60;
/** Longer lives than 30 days are taken for mistakes. */
const LONGEST_SECONDS = 30 * 24 * 3600;
const MOST_TOKENS = 1000;

interface Kept {
  readonly value: string;
  readonly renewAt: number;
}

export function createTokenCache(timing: Timing): TokenCache {
  const kept = new Map<string, Kept>();
  const flights = new Map<string, Flight<string>>();

  const start = (key: string, request: (signal: AbortSignal) => Promise<Token>): Flight<string> => {
    const controller = new AbortController();
    const promise = request(controller.signal).then((token) => {
      // A token in its last tenth is renewed before use (R21).
      kept.set(key, { value: token.value, renewAt: timing.monotonic() + token.lifetimeMs * 0.9 });
      prune(kept, timing.monotonic());
      return token.value;
    });
    const flight: Flight<string> = { promise, controller, waiters: 0 };
    flights.set(key, flight);
    const land = (): void => {
      if (flights.get(key) === flight) flights.delete(key);
    };
    promise.then(land, land);
    return flight;
  };

  return {
    find: async (tokenKey, request, signal) => {
      const key = textOf(tokenKey);
      const found = kept.get(key);
      if (found !== undefined && timing.monotonic() < found.renewAt) return found.value;
      kept.delete(key);
      const flight = flights.get(key) ?? start(key, request);
      return joinFlight(flight, signal, () => flights.delete(key));
    },
    drop: (tokenKey, value) => {
      const key = textOf(tokenKey);
      if (kept.get(key)?.value === value) kept.delete(key);
    },
  };
}

const replySchema = z.object({
  token: z.optional(z.string()),
  access_token: z.optional(z.string()),
  expires_in: z.optional(z.unknown()),
  refresh_token: z.catch(z.optional(z.string().check(z.minLength(1))), undefined),
});

/**
 * Parses a token server's reply.
 * @throws SluiceError AUTH_FAILED when it holds no token that can stand in a header
 * @see distribution token spec
 */
export function parseToken(bytes: Uint8Array): Token {
  const reply = replySchema.safeParse(parseJson(Buffer.from(bytes).toString('utf8'))).data;
  const value = reply?.token || reply?.access_token;
  if (value === undefined || !/^[\x21-\x7e]+$/.test(value)) {
    throw new SluiceError('AUTH_FAILED', { message: 'the token server sent no token', rule: 'registry R15' });
  }
  return { value, lifetimeMs: lifetimeSeconds(reply?.expires_in) * 1000, refreshToken: reply?.refresh_token ?? null };
}

/** `issued_at` is ignored: clocks differ (R21). */
function lifetimeSeconds(expiresIn: unknown): number {
  if (typeof expiresIn !== 'number' || !(expiresIn <= LONGEST_SECONDS)) return DEFAULT_SECONDS;
  return Math.max(DEFAULT_SECONDS, expiresIn);
}

function textOf({ realm, service, scopes, identity }: TokenKey): string {
  return JSON.stringify([realm.href, service, scopes.toSorted(), identity]);
}

function prune(kept: Map<string, Kept>, now: number): void {
  if (kept.size <= MOST_TOKENS) return;
  for (const [key, { renewAt }] of kept) if (renewAt <= now) kept.delete(key);
  for (const key of kept.keys()) {
    if (kept.size <= MOST_TOKENS) return;
    kept.delete(key);
  }
}
