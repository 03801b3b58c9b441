import { collectErrorBody } from './body.js';
import type { Repository } from './repository.js';
import { retry } from './retry.js';
import { statusError } from './status.js';

/**
 * Shows the registry the repository's credentials, for no repository in particular.
 * @returns whether it wanted to see them at all
 * @throws SluiceError AUTH_FAILED, and those of any request
 */
export async function checkLogin(repository: Repository, signal: AbortSignal): Promise<boolean> {
  const { endpoint, client, headers, authorized } = repository;
  const url = new URL(`${endpoint.origin}/v2/`);
  const ask = async (): Promise<void> => {
    const body = collectErrorBody();
    const wanted = { wanted: 'login', host: endpoint.name, guard: 'any' } as const;
    const request = { ...wanted, method: 'GET', url, firstUrl: url, headers: { ...headers, accept: '*/*' } } as const;
    const head = await authorized(request, () => body.sink, signal);
    if (head.status !== 200) throw statusError(head, body.bytes(), repository.asked('login'), client.timing.now());
  };
  await retry(ask, client.timing, signal);
  return client.demands.find(endpoint.origin, endpoint.repository) !== null;
}
