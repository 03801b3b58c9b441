import { accessSync, constants, lstatSync } from 'node:fs';
import { join } from 'node:path';
import { pack, type PackOptions as TarOptions } from 'tar-fs';

/** What of the machine becomes a layer. */
export interface PackOptions {
  /** Directory that names in the layer are relative to; any but `/`, below which tar-fs finds nothing valid. */
  readonly root: string;
  /** Files and directories with all that is in them, relative to the root. What is not there is left out. */
  readonly paths: readonly string[];
  /** Files that would bring the sum of all files above this are left out; no limit when left out. */
  readonly maxBytes?: number;
  /** Owner of every entry; 0 when left out, so that a layer does not depend on who packs it. */
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Packs real files, directories and symbolic links into a layer. Whatever else is met, or can't be read, is left out;
 * xattrs and hard links are not kept.
 * @returns an uncompressed tar, held in memory
 */
export async function packDirectory(options: PackOptions): Promise<Buffer> {
  const { root, maxBytes = Infinity, uid = 0, gid = 0 } = options;
  let plannedBytes = 0;
  const isLeftOut = (path: string): boolean => {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats?.isSymbolicLink()) return false;
    if (stats?.isDirectory()) return !isAllowed(path, constants.R_OK | constants.X_OK);
    if (!stats?.isFile() || !isAllowed(path, constants.R_OK) || plannedBytes + stats.size > maxBytes) return true;
    plannedBytes += stats.size;
    return false;
  };
  const names = options.paths.map((path) => path.replace(/^\/+/, ''));
  const settings: TarOptions & { umask: number; sort: boolean } = {
    entries: names.filter((name) => !isLeftOut(join(root, name))),
    ignore: isLeftOut,
    map: (header) => ({ ...header, uid, gid }),
    strict: false,
    umask: 0,
    sort: true,
  };
  const chunks: Buffer[] = [];
  for await (const chunk of pack(root, settings)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function isAllowed(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
