import type { Connections, Timeouts } from './client.js';
import { createHelperMemory, type HelperMemory } from './credentials/helper-memory.js';
import { createDemandMemory, type DemandMemory } from './demand.js';
import type { Dispatch } from './http.js';
import { createGate } from './limits.js';
import { systemTiming, type Timing } from './timing.js';
import { createTokenCache, type TokenCache } from './token.js';

/** What all pulls of the process share: connections (R43), tokens (R20), limits (R74), what is known of hosts. */
export interface RegistryClient {
  readonly timing: Timing;
  readonly dispatch: Dispatch;
  readonly tokens: TokenCache;
  readonly demands: DemandMemory;
  /** Identity tokens that token servers gave in place of older ones (R17). */
  readonly renewed: Map<string, string>;
  readonly helpers: HelperMemory;
  /** Origins that answer a `Range` with the whole blob (R79). */
  readonly rangelessOrigins: Set<string>;
  /** Ends every request. */
  close(): Promise<void>;
}

export interface RegistryClientOptions {
  readonly timeouts?: Timeouts;
  readonly timing?: Timing;
}

const BLOB_CONNECTIONS_PER_HOST = 6;
const BLOB_CONNECTIONS = 16;
const METADATA_CONNECTIONS_PER_HOST = 2;

export function createRegistryClient(options: RegistryClientOptions = {}): RegistryClient {
  const { timeouts, timing = systemTiming } = options;
  let opened: Promise<Connections> | null = null;
  /** undici takes longer to load than the rest of the library. */
  const connections = (): Promise<Connections> =>
    (opened ??= import('./client.js').then(({ openConnections }) => openConnections(timeouts)));
  const helpers = createHelperMemory(timing);
  const blobs = createGate(BLOB_CONNECTIONS_PER_HOST, BLOB_CONNECTIONS);
  const metadata = createGate(METADATA_CONNECTIONS_PER_HOST, Number.POSITIVE_INFINITY);
  return {
    timing,
    dispatch: async (request, receive, signal) => {
      const leave = await (request.wanted === 'blob' ? blobs : metadata).enter(request.host, signal);
      try {
        return await (await connections()).dispatch(request, receive, signal);
      } finally {
        leave();
      }
    },
    tokens: createTokenCache(timing),
    demands: createDemandMemory(),
    renewed: new Map(),
    helpers,
    rangelessOrigins: new Set(),
    close: async () => {
      helpers.close();
      await (await opened)?.close();
    },
  };
}
