import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { SluiceError } from '../errors.js';
import { printable } from '../layer/path.js';
import type { SidecarEntry } from '../oci/sidecar.js';
import { RealTree } from './real-tree.js';
import { readSidecarFile } from './sidecar-file.js';
import { BLOCK_BYTES, encodeEntry, paddingOf } from './tar-header.js';

const CHUNK_BYTES = 256 * 1024;
const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;

/**
 * A composed root as a tar, with true owners, modes, devices, times and attributes from its sidecar; the same root always
 * gives the same bytes.
 * @returns pieces in order, each its receiver's to keep
 * @throws SluiceError ENTRY_TYPE_UNSUPPORTED | SIDECAR_CORRUPT | STORE_FAILED; errors of the machine
 */
export async function* packRootfs(root: string, sidecar: string): AsyncGenerator<Buffer, void, undefined> {
  using tree = new RealTree(root);
  for (const item of readSidecarFile(sidecar)) {
    if (item.kind !== 'entry') continue;
    yield encodeEntry(item);
    if (item.type === 'file' && item.hardLink === null && item.size > 0) yield* contentOf(tree, item);
  }
  yield Buffer.alloc(2 * BLOCK_BYTES);
}

async function* contentOf(tree: RealTree, entry: SidecarEntry): AsyncGenerator<Buffer, void, undefined> {
  const file = await open(tree.name(entry.path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    for (let position = 0; position < entry.size;) {
      const chunk = await readChunk(file, position, Math.min(CHUNK_BYTES, entry.size - position));
      if (chunk.length === 0) throw cut(entry);
      position += chunk.length;
      yield chunk;
    }
    yield paddingOf(entry.size);
  } finally {
    await file.close();
  }
}

async function readChunk(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

function cut({ path }: SidecarEntry): SluiceError {
  return new SluiceError('STORE_FAILED', {
    message: `packing "${printable(path)}": it is shorter than its sidecar says`,
    entry: printable(path),
  });
}
