const HUB = 'docker.io';
const HUB_NAMES = new Set([HUB, 'index.docker.io', 'registry-1.docker.io']);
/** What docker calls its Hub, in files and to helpers. */
export const HUB_SERVER = 'https://index.docker.io/v1/';

/**
 * The one form of a key of a credential file: `host[:port][/path]`, the host in lower case and docker's Hub by the name
 * that references have.
 * @see containers-auth.json(5); registry R27
 */
export function normalizeKey(key: string): string {
  const bare = key
    .replace(/^https?:\/\//i, '')
    .replace(/\/+$/, '')
    .replace(/\/v[12]$/, '');
  const slash = bare.indexOf('/');
  const host = (slash < 0 ? bare : bare.slice(0, slash)).toLowerCase();
  return (HUB_NAMES.has(host) ? HUB : host) + (slash < 0 ? '' : bare.slice(slash));
}

/** Keys that may hold what a repository needs, the most specific first. */
export function keysOf(host: string, repository: string): string[] {
  const parts = repository === '' ? [] : repository.split('/');
  const paths = parts.map((_, at) => `/${parts.slice(0, parts.length - at).join('/')}`);
  return [...paths, ''].map((path) => normalizeKey(host) + path);
}

/** Entries whose key fits the repository, the most specific first; of equals the first in the file. */
export function matchKeys<T>(
  entries: Readonly<Record<string, T>>,
  host: string,
  repository: string,
): readonly { readonly key: string; readonly value: T }[] {
  const normal = Object.entries(entries).map(([key, value]) => ({ key, value, normal: normalizeKey(key) }));
  return keysOf(host, repository).flatMap((wanted) => normal.filter((entry) => entry.normal === wanted));
}

/** The name by which docker's helper programs know the host. */
export function dockerServerOf(host: string): string {
  return normalizeKey(host) === HUB ? HUB_SERVER : normalizeKey(host);
}
