import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Digest, isDigest } from '../oci/digest.js';
import { leaseFile, type LocationPaths } from './layout.js';
import { isLocked, lockFile } from './lock.js';

/** Whether a path in a trash is what was the directory of a layer that somebody leases. */
export async function isLeased(path: string): Promise<boolean> {
  const [, digest] = /^([^.]+)\.extracted\.[0-9a-f]+$/.exec(basename(path)) ?? [];
  if (digest === undefined || !isDigest(digest)) return false;
  return await isLocked(leaseFile({ locks: join(dirname(dirname(path)), 'locks') }, digest));
}

interface Held {
  readonly handle: FileHandle;
  holders: number;
}

/**
 * Leases of this process on layers, and on images by the digest of their manifest: what is leased is not removed by any
 * process. A lease is a shared lock of the kernel's on a file, so it ends with the process at the latest; all leases of one
 * process on one digest share a descriptor. It keeps nobody from replacing a layer, for which layers have another lock.
 */
export class Leases {
  readonly #held = new Map<string, Held>();

  /**
   * Waits for whoever removes one of them right now; it may be gone then, so look afterwards.
   * @throws SluiceError ABORTED | ADDON_MISSING | STORE_FAILED
   */
  async take(digests: readonly Digest[], location: LocationPaths, signal: AbortSignal): Promise<AsyncDisposable> {
    const paths: string[] = [];
    const release = async (): Promise<void> => {
      for (const path of paths.splice(0)) await this.#release(path);
    };
    try {
      for (const digest of new Set(digests)) {
        const path = leaseFile(location, digest);
        await this.#take(path, digest, signal);
        paths.push(path);
      }
    } catch (error) {
      await release();
      throw error;
    }
    return { [Symbol.asyncDispose]: release };
  }

  async #take(path: string, digest: Digest, signal: AbortSignal): Promise<void> {
    const known = this.#held.get(path);
    if (known) {
      known.holders++;
      return;
    }
    const handle = await lockFile(path, digest, signal, 'shared');
    const byAnother = this.#held.get(path);
    if (byAnother) {
      byAnother.holders++;
      await handle.close();
    } else this.#held.set(path, { handle, holders: 1 });
  }

  async #release(path: string): Promise<void> {
    const held = this.#held.get(path)!;
    if (--held.holders > 0) return;
    this.#held.delete(path);
    await held.handle.close();
  }
}
