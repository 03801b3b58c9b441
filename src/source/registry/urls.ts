import type { Digest } from '../../oci/digest.js';
import type { Endpoint } from './hosts.js';

/** @param target a parsed tag or digest; nothing typed by a user or sent by a registry is joined raw (R7) */
export function manifestUrl(endpoint: Endpoint, target: string | Digest): URL {
  return apiUrl(endpoint, 'manifests', target);
}

export function blobUrl(endpoint: Endpoint, digest: Digest): URL {
  return apiUrl(endpoint, 'blobs', digest);
}

function apiUrl(endpoint: Endpoint, kind: 'manifests' | 'blobs', last: string): URL {
  const path = ['v2', ...endpoint.repository.split('/'), kind, last].map(encodeSegment).join('/');
  return new URL(`${endpoint.origin}/${path}`);
}

/** A colon is legal in a path, and some registries don't decode `%3A`. A segment of dots would be resolved away. */
function encodeSegment(segment: string): string {
  if (/^\.{0,2}$/.test(segment)) throw new TypeError(`not a path segment: ${JSON.stringify(segment)}`);
  return encodeURIComponent(segment).replace(/%3A/g, ':');
}
