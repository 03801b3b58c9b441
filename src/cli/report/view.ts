import { shortBytes, shortDigest } from '../text.js';
import { countLines, resolveLine, type LayerPhase, type LayerProgress, type Progress } from './progress.js';

/** Columns of a bar; the seed's (compat U11). */
const BAR_WIDTH = 40;
const STATES: Readonly<Record<LayerPhase, string>> = {
  waiting: 'waiting',
  extracting: 'extracting',
  done: 'done ✓',
  present: 'present ✓',
  failed: 'failed ✗',
  aborted: 'aborted ✗',
};
/** Who stays when there is not room for all. */
const RANKS: Readonly<Record<LayerPhase, number>> = {
  failed: 0,
  extracting: 1,
  aborted: 2,
  waiting: 3,
  done: 4,
  present: 4,
};

/**
 * What the terminal shows: how many images and layers are done, then a bar a layer, bottom to top.
 * @param rows most lines there is room for
 */
export function viewOf(progress: Progress, rows: number): string[] {
  if (progress.layers.size === 0) return [resolveLine(progress)];
  const head = [resolveLine(progress), ...countLines(progress)];
  return [...head, ...chooseLayers([...progress.layers.values()], rows - head.length).map(layerLine)];
}

function chooseLayers(layers: readonly LayerProgress[], room: number): readonly LayerProgress[] {
  if (layers.length <= room) return layers;
  const byRank = layers.toSorted((a, b) => RANKS[a.phase] - RANKS[b.phase]);
  const chosen = new Set(byRank.slice(0, Math.max(0, room)));
  return layers.filter((layer) => chosen.has(layer));
}

/** Fits into 80 columns. */
function layerLine({ digest, packedBytes, totalBytes, unpackedBytes, phase }: LayerProgress): string {
  const bar = drawBar(totalBytes === 0 ? 1 : packedBytes / totalBytes);
  const packed = `${shortBytes(packedBytes).padStart(5)} / ${shortBytes(totalBytes).padEnd(5)}`;
  return `${shortDigest(digest, 8)} ${bar} ${packed} ${shortBytes(unpackedBytes).padStart(5)} ${STATES[phase]}`;
}

function drawBar(share: number): string {
  const full = Math.min(BAR_WIDTH, Math.floor(share * BAR_WIDTH));
  return `${'='.repeat(full)}${full < BAR_WIDTH ? '+' : ''}`.padEnd(BAR_WIDTH, '-');
}
