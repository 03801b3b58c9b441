import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { fileSystemError, SluiceError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { parseSidecarHead, SIDECAR_HEAD_BYTES, type SidecarHead } from '../oci/sidecar-head.js';

/**
 * Reads what a layer's sidecar says of the layer; the entries are left to whoever needs them.
 * @param digest the layer it must speak of
 * @returns null for a sidecar of another version
 * @throws SluiceError SIDECAR_CORRUPT | STORE_FAILED
 */
export async function readSidecar(path: string, digest: Digest): Promise<SidecarHead | null> {
  try {
    const head = parseSidecarHead(await readStart(path));
    if (head && head.digest !== digest)
      throw new SluiceError('SIDECAR_CORRUPT', {
        message: 'reading a sidecar: it belongs to another layer',
        rule: 'extraction §13',
        expected: digest,
        got: head.digest,
      });
    return head;
  } catch (error) {
    throw fileSystemError(`reading sidecar ${JSON.stringify(path)}`, error).with({ layer: digest });
  }
}

async function readStart(path: string): Promise<Uint8Array> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(SIDECAR_HEAD_BYTES), 0, SIDECAR_HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
