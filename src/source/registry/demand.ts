import { SluiceError } from '../../errors.js';
import { type Challenge, parseChallenges } from './challenge.js';
import { headersOf, type ReplyHead } from './http.js';
import { parseRealm } from './realm.js';
import { type Asked, doingOf, statusError } from './status.js';

/** What a registry wants to see before it answers. */
export type Demand =
  | { readonly kind: 'basic' }
  | {
      readonly kind: 'bearer';
      readonly realm: URL;
      readonly service: string | null;
      /** As the challenge has them. */
      readonly scopes: readonly string[];
    };

/** A reply that refuses. */
export interface Refusal {
  readonly head: ReplyHead;
  readonly body: Uint8Array;
}

/**
 * Bearer wins over Basic; what is not spoken here is skipped (R14).
 * @throws SluiceError AUTH_UNSUPPORTED, AUTH_REALM_REFUSED; AUTH_REQUIRED where there is no challenge
 */
export function chooseDemand({ head, body }: Refusal, asked: Asked, nowMs: number): Demand {
  const challenges = parseChallenges(headersOf(head, 'www-authenticate'));
  const bearer = challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'));
  if (bearer !== undefined) return bearerOf(bearer, head.url, asked.repository);
  if (challenges.length === 0) throw statusError(head, body, asked, nowMs);
  if (challenges.some(({ scheme }) => scheme === 'basic')) return { kind: 'basic' };
  const schemes = [...new Set(challenges.map(({ scheme }) => scheme))].join(', ');
  const message = `${doingOf(asked)}: it offers ${schemes} alone`;
  throw new SluiceError('AUTH_UNSUPPORTED', { ...asked, message, rule: 'registry R14', status: head.status });
}

/** The challenge's scopes as they stand, and never more than the challenge or a pull asks for (R15, R16). */
function bearerOf({ parameters }: Challenge, registry: URL, repository: string): Demand {
  const scope = parameters.get('scope') ?? (repository === '' ? null : `repository:${repository}:pull`);
  return {
    kind: 'bearer',
    realm: parseRealm(parameters.get('realm') ?? '', registry),
    service: parameters.get('service') ?? null,
    scopes: (scope ?? '').split(' ').filter((item) => item !== ''),
  };
}

/** What registries want for their repositories, once they have said so; later requests carry it at once (R13). */
export interface DemandMemory {
  /** @param origin of the registry */
  find(origin: string, repository: string): Demand | null;
  keep(origin: string, repository: string, demand: Demand): void;
}

const MOST_DEMANDS = 1000;

export function createDemandMemory(): DemandMemory {
  const kept = new Map<string, Demand>();
  const keyOf = (origin: string, repository: string): string => `${origin}/${repository}`;
  return {
    find: (origin, repository) => kept.get(keyOf(origin, repository)) ?? kept.get(origin) ?? null,
    keep: (origin, repository, demand) => {
      // Basic is the same for a whole host (R19).
      const key = demand.kind === 'basic' ? origin : keyOf(origin, repository);
      kept.delete(keyOf(origin, repository));
      kept.delete(key);
      kept.set(key, demand);
      const [oldest] = kept.keys();
      if (kept.size > MOST_DEMANDS && oldest !== undefined) kept.delete(oldest);
    },
  };
}
