import type { Connections, Timeouts } from './client.js';
import { createHelperMemory, type HelperMemory } from './credentials/helper-memory.js';
import { createDemandMemory, type DemandMemory } from './demand.js';
import type { Dispatch, HttpRequest, Receive } from './http.js';
import { createGate, type Gate } from './limits.js';
import { createRates } from './rates.js';
import { retryAtOf } from './status.js';
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
  /** Blobs of which bytes are awaited at this moment; they share the line (R73). */
  readonly blobsInFlight: { count: number };
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
  const rates = createRates(timing);
  const gateOf = (perHost: number, overall: number): Gate =>
    createGate((host) => rates.allowed(host, perHost), overall);
  const blobs = gateOf(BLOB_CONNECTIONS_PER_HOST, BLOB_CONNECTIONS);
  const metadata = gateOf(METADATA_CONNECTIONS_PER_HOST, Number.POSITIVE_INFINITY);
  /** Waits for a place, and while the host asks for patience (R70). */
  const enter = async ({ wanted, host, order }: HttpRequest, signal: AbortSignal): Promise<() => void> => {
    for (;;) {
      const waitMs = rates.waitMs(host);
      if (waitMs > 0) await timing.sleep(waitMs, signal);
      const leave = await (wanted === 'blob' ? blobs : metadata).enter(host, signal, order);
      if (rates.waitMs(host) === 0) return leave;
      leave();
    }
  };
  return {
    timing,
    dispatch: async (request, receive, signal) => {
      const leave = await enter(request, signal);
      const noteLimit: Receive = (head) => {
        if (head.status === 429) rates.limit(request.host, retryAtOf(head, timing.now()));
        return receive(head);
      };
      try {
        return await (await connections()).dispatch(request, noteLimit, signal);
      } finally {
        leave();
      }
    },
    blobsInFlight: { count: 0 },
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
