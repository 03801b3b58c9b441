import type { Digest } from '../oci/digest.js';
import type { TestBlob } from './image.js';
import type { RegistryOptions } from './registry-options.js';

/** One repository; manifests by digest and by tag. */
interface Repository {
  readonly manifests: Map<string, { readonly digest: Digest; readonly mediaType: string; readonly bytes: Buffer }>;
  readonly blobs: Map<string, Buffer>;
  readonly configs: Set<string>;
}

/** What was pushed. */
export interface Content {
  find(repository: string): Repository | undefined;
  putBlob(repository: string, digest: Digest, bytes: Buffer): void;
  putManifest(repository: string, document: TestBlob, tag?: string): void;
  moveTag(repository: string, tag: string, digest: Digest): void;
  remove(repository: string, what: string): void;
}

/** All that answers depend on. */
export interface State {
  readonly options: RegistryOptions;
  readonly content: Content;
  readonly tokens: Map<string, { readonly scopes: readonly string[]; readonly expiresAt: number }>;
  url: string;
  targetUrl: string | null;
  tickets: number;
}

/** Starts empty. */
export function createContent(): Content {
  const repositories = new Map<string, Repository>();
  const open = (name: string): Repository => {
    const found = repositories.get(name) ?? { manifests: new Map(), blobs: new Map(), configs: new Set() };
    repositories.set(name, found);
    return found;
  };
  return {
    find: (name) => repositories.get(name),
    putBlob: (name, digest, bytes) => void open(name).blobs.set(digest, bytes),
    putManifest: (name, { descriptor, bytes }, tag) => {
      const { digest, mediaType } = descriptor;
      const repository = open(name);
      repository.manifests.set(digest, { digest, mediaType, bytes });
      if (tag !== undefined) repository.manifests.set(tag, { digest, mediaType, bytes });
      const config = configDigestOf(bytes);
      if (config !== null) repository.configs.add(config);
    },
    moveTag: (name, tag, digest) => {
      const { manifests } = open(name);
      const found = manifests.get(digest);
      if (!found) throw new Error(`${digest} was not pushed to ${name}`);
      manifests.set(tag, found);
    },
    remove: (name, what) => {
      open(name).manifests.delete(what);
      open(name).blobs.delete(what);
    },
  };
}

function configDigestOf(manifest: Buffer): string | null {
  try {
    const value = JSON.parse(manifest.toString()) as { config?: { digest?: unknown } } | null;
    return typeof value?.config?.digest === 'string' ? value.config.digest : null;
  } catch {
    return null;
  }
}
