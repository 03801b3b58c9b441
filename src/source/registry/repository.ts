import { redact } from '../../errors.js';
import type { RegistryReference } from '../../oci/reference.js';
import { withAuth } from './auth.js';
import type { Credentials, CredentialsFunction } from './credentials/credential.js';
import { checkForeign } from './foreign.js';
import { findCredential } from './credentials/find-credential.js';
import { chooseEndpoint, type Endpoint, isNamedHost } from './hosts.js';
import type { Dispatch, Wanted } from './http.js';
import type { Order } from './limits.js';
import { type Notice, withNotices } from './notices.js';
import { withRedirects } from './redirect.js';
import type { RegistryClient } from './registry-client.js';
import type { Asked } from './status.js';
import { type TlsPolicy, withTls } from './tls.js';
import { USER_AGENT } from './user-agent.js';

/** How hosts are spoken to, and who asks. */
export interface AccessOptions {
  /** Hosts, with their port where they have one, that speak HTTP and nothing else. */
  readonly plainHttp: readonly string[];
  readonly tls: TlsPolicy;
  readonly credentials: Credentials | CredentialsFunction | undefined;
}

export interface RepositoryOptions extends AccessOptions {
  readonly client: RegistryClient;
  readonly maxTokenBytes: number;
  readonly notice: Notice;
  /** Of requests for documents; those of a login come first. */
  readonly order?: Order;
}

/** One repository of a registry, and the ways to ask it. */
export interface Repository {
  readonly endpoint: Endpoint;
  readonly client: RegistryClient;
  readonly order: Order | undefined;
  /** Of every request (R4). */
  readonly headers: Readonly<Record<string, string>>;
  /** Follows redirects and answers challenges. */
  readonly authorized: Dispatch;
  /** Follows redirects. */
  readonly following: Dispatch;
  /** Follows redirects within the public net, and shows nobody anything (R117). */
  readonly foreign: Dispatch;
  asked(wanted: Wanted): Asked;
  notice(level: 'debug' | 'info' | 'warn', message: string): void;
}

/** @param reference its path is empty for what concerns the host alone */
export function createRepository(
  reference: Pick<RegistryReference, 'host' | 'path'>,
  options: RepositoryOptions,
): Repository {
  const { client, plainHttp, tls } = options;
  const hasTls = (host: string): boolean =>
    tls.authorities.certificates.length > 0 || isNamedHost(host, tls.skipVerify);
  const endpoint = chooseEndpoint(reference, { plainHttp, hasTls });
  const { name, repository } = endpoint;
  // Some texts are the registry's own (R35).
  const notice = (level: 'debug' | 'info' | 'warn', message: string): void =>
    options.notice(level, redact(message), name);
  noteUnverified(endpoint, tls, notice);
  const headers = { 'user-agent': USER_AGENT, 'accept-encoding': 'identity' };
  const bare = withNotices(withTls(client.dispatch, tls), notice);
  const following = withRedirects(bare, { plainHttp });
  const asked = (wanted: Wanted): Asked => ({ host: name, repository, asked: wanted });
  const places = { given: options.credentials, helpers: client.helpers };
  return {
    endpoint,
    client,
    order: options.order,
    headers,
    authorized: withAuth(following, {
      endpoint,
      bare,
      asked,
      tokens: client.tokens,
      renewed: client.renewed,
      demands: client.demands,
      findCredential: (query) => findCredential(places, { ...query, host: name, repository }),
      tokenCap: { option: 'maxTokenBytes', bytes: options.maxTokenBytes },
      plainHttp,
      headers,
      order: options.order,
      timing: client.timing,
      notice,
    }),
    following,
    foreign: withRedirects(bare, { plainHttp: [], check: checkForeign }),
    asked,
    notice,
  };
}

function noteUnverified({ origin }: Endpoint, { skipVerify }: TlsPolicy, notice: Repository['notice']): void {
  const { host, protocol } = new URL(origin);
  if (protocol !== 'https:' || !isNamedHost(host, skipVerify)) return;
  notice('warn', `the certificate of ${host} is not verified: whoever is on the way can answer in its place`);
}
