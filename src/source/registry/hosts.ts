import type { RegistryReference } from '../../oci/reference.js';
import { isLoopbackHost } from './address.js';

/** Where the requests of one reference go. */
export interface Endpoint {
  /** The host as users know it, for messages: `docker.io`, never its API host. */
  readonly name: string;
  /** `http://host[:port]` or `https://host[:port]`. */
  readonly origin: string;
  readonly repository: string;
  /** The host that was asked for, when another one really answers (R2). */
  readonly standsInFor: string | null;
}

const HUB = 'docker.io';
const HUB_API_HOST = 'registry-1.docker.io';
const HUB_NAMES = new Set([HUB, 'index.docker.io', HUB_API_HOST]);
/** The seed's registry, which never had a server of its own. */
const SANDBOXES = 'sandboxes.io';

/** What the user said of how hosts are spoken to. */
export interface Schemes {
  /** Hosts, with their port where they have one, that speak HTTP and nothing else (R39). */
  readonly plainHttp: readonly string[];
  /** Whether something is said about the TLS of the host, which makes it HTTPS (R36). */
  hasTls(host: string): boolean;
}

export function chooseEndpoint(reference: Pick<RegistryReference, 'host' | 'path'>, schemes: Schemes): Endpoint {
  const host = reference.host.toLowerCase();
  const isSandboxes = host === SANDBOXES;
  const isHub = isSandboxes || HUB_NAMES.has(host);
  const apiHost = isHub ? HUB_API_HOST : host;
  const isPlain = isPlainHost(apiHost, schemes) || isPlainHost(host, schemes);
  return {
    name: isHub ? HUB : host,
    origin: `${isPlain ? 'http' : 'https'}://${apiHost}`,
    repository: reference.path,
    standsInFor: isSandboxes ? SANDBOXES : null,
  };
}

/**
 * Whether plain HTTP is spoken with the host: when it was asked for, and with a loopback host on a port of its own
 * (R36). Never as a second choice (R37).
 */
function isPlainHost(host: string, { plainHttp, hasTls }: Schemes): boolean {
  if (isNamedHost(host, plainHttp)) return true;
  const { hostname, port } = splitHost(host);
  return isLoopbackHost(hostname) && port !== null && port !== '443' && !hasTls(host);
}

/** Whether the user named the host, with its port where it has one; for plain HTTP being loopback is not enough (R50). */
export function isNamedHost(host: string, names: readonly string[]): boolean {
  const wanted = host.toLowerCase();
  return names.some((name) => name.toLowerCase() === wanted);
}

function splitHost(host: string): { hostname: string; port: string | null } {
  const match = /^(\[[^\]]*\]|[^:]*)(?::([0-9]+))?$/.exec(host);
  return { hostname: match?.[1] ?? host, port: match?.[2] ?? null };
}
