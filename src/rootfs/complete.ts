import { SluiceError } from '../errors.js';
import { syncFileSystem } from '../layer/staged-layer.js';
import { entryNamed, printable } from '../layer/path.js';
import { createWarnings, type Warnings } from '../layer/warnings.js';
import type { CompletedLayer, CompleteTask, LayerPlace } from '../transfer/rootfs-tasks.js';
import { ChainView } from './chain-view.js';
import {
  DEFAULT_STAT,
  describeStat,
  type DirectoryStat,
  isSameStat,
  readDirectoryStat,
  writeDirectoryStat,
} from './directory-stat.js';
import { readImpliedDirectories } from './sidecar-file.js';

/** A layer of the chain while the layers above it are completed. */
interface Link {
  readonly place: LayerPlace;
  readonly view: ChainView;
  /** What this image's chain says of the layer's implied directories, whatever stands in the shared layer (P4). */
  readonly said: Map<string, DirectoryStat>;
}

/**
 * Gives the implied directories of an image's layers what the nearest lower layer says of them, where they have nothing
 * yet, and tells which layers this image cannot simply stack (P3 to P5). Doing it again changes nothing.
 * @throws SluiceError; errors of the machine
 */
export function completeLayers({ layers, implied, sync }: CompleteTask): readonly CompletedLayer[] {
  const chain: Link[] = [];
  try {
    let hasWritten = false;
    const completed = layers.flatMap((place) => {
      chain.push({ place, view: new ChainView(place.directory), said: new Map() });
      if (!implied.includes(place.digest)) return [];
      const { layer, isChanged } = completeLayer(chain);
      hasWritten ||= isChanged;
      return [layer];
    });
    if (hasWritten && sync) syncFileSystem(layers[0]!.directory, sync);
    return completed;
  } finally {
    for (const { view } of chain) view[Symbol.dispose]();
  }
}

function completeLayer(chain: readonly Link[]): { readonly layer: CompletedLayer; readonly isChanged: boolean } {
  const { place, view, said } = chain.at(-1)!;
  const warnings = createWarnings();
  let isChanged = false;
  for (const { path, isFolded } of readImpliedDirectories(place.sidecar)) {
    const stat = search(chain, path, isFolded, warnings);
    said.set(path.toString('latin1'), stat);
    if (place.stat === 'sidecar') continue;
    const held = readDirectoryStat(view.tree, path);
    if (!held) {
      writeDirectoryStat(view.tree, path, stat);
      isChanged = true;
    } else if (!isSameStat(held, stat)) {
      const detail = `the layer has ${describeStat(held)}, this image says ${describeStat(stat)}`;
      const message = 'implied.conflict: an implied directory keeps what another image said';
      warnings.add('P4', message, path, 0, detail);
    }
  }
  const list = warnings.list();
  return { layer: { digest: place.digest, warnings: list, needsCompose: list.length > 0 }, isChanged };
}

/** The search goes down from the last layer of the chain. */
function search(chain: readonly Link[], path: Buffer, isFolded: boolean, warnings: Warnings): DirectoryStat {
  const [top, ...lower] = chain.toReversed();
  if (isFolded || lower.length === 0 || top!.view.look(path).hidesBelow) return DEFAULT_STAT;
  for (const { place, view, said } of lower) {
    const { kind, hidesBelow } = view.look(path);
    if (kind === 'dir') return said.get(path.toString('latin1')) ?? explicitStat(place, view, path);
    if (kind === 'symlink') {
      warnings.add('P5', 'a lower layer has a symlink where an implied directory is', path, 0);
    }
    if (hidesBelow) break;
  }
  return DEFAULT_STAT;
}

function explicitStat({ digest, stat }: LayerPlace, view: ChainView, path: Buffer): DirectoryStat {
  if (stat === 'sidecar') return DEFAULT_STAT;
  const found = readDirectoryStat(view.tree, path);
  if (found) return found;
  throw new SluiceError('STORE_FAILED', {
    message: `completing "${printable(path)}": the directory of a lower layer has lost its override_stat`,
    rule: 'M2',
    layer: digest,
    ...entryNamed(path),
  });
}
