import type { RegistryReference } from '../../oci/reference.js';
import { withAuth } from './auth.js';
import { chooseEndpoint, type Endpoint } from './hosts.js';
import type { Dispatch, Wanted } from './http.js';
import { type Notice, withNotices } from './notices.js';
import { withRedirects } from './redirect.js';
import type { RegistryClient } from './registry-client.js';
import type { Asked } from './status.js';
import { USER_AGENT } from './user-agent.js';

export interface RepositoryOptions {
  readonly client: RegistryClient;
  readonly plainHttp: readonly string[];
  readonly maxTokenBytes: number;
  readonly notice: Notice;
}

/** One repository of a registry, and the ways to ask it. */
export interface Repository {
  readonly endpoint: Endpoint;
  readonly client: RegistryClient;
  /** Of every request (R4). */
  readonly headers: Readonly<Record<string, string>>;
  /** Follows redirects and answers challenges. */
  readonly authorized: Dispatch;
  /** Follows redirects. */
  readonly following: Dispatch;
  asked(wanted: Wanted): Asked;
  notice(level: 'debug' | 'info' | 'warn', message: string): void;
}

export function createRepository(reference: RegistryReference, options: RepositoryOptions): Repository {
  const { client, plainHttp, notice } = options;
  const endpoint = chooseEndpoint(reference, plainHttp);
  const headers = { 'user-agent': USER_AGENT, 'accept-encoding': 'identity' };
  const bare = withNotices(client.dispatch, (level, message) => notice(level, message, endpoint.name));
  const following = withRedirects(bare, { plainHttp });
  const asked = (wanted: Wanted): Asked => ({
    host: endpoint.name,
    repository: endpoint.repository,
    asked: wanted,
  });
  return {
    endpoint,
    client,
    headers,
    authorized: withAuth(following, {
      endpoint,
      bare,
      asked,
      tokens: client.tokens,
      challenges: client.challenges,
      tokenCap: { option: 'maxTokenBytes', bytes: options.maxTokenBytes },
      plainHttp,
      headers,
      timing: client.timing,
    }),
    following,
    asked,
    notice: (level, message) => notice(level, message, endpoint.name),
  };
}
