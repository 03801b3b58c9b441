import {
  createRandom,
  dir,
  file,
  hardlink,
  layer,
  opaque,
  symlink,
  whiteout,
  type LayerPart,
  type Random,
} from '../../src/testing/index.js';
import { createContent, type ContentKind } from './content.js';

/** What a generated layer looks like. */
export interface LayerShape {
  readonly seed: number;
  /** Directory of the root that all of it lies in. */
  readonly folder: string;
  readonly files: number;
  /** Bytes of all files together. */
  readonly totalBytes: number;
  readonly content: ContentKind;
  /** All files have one size; otherwise sizes spread over three powers of ten. */
  readonly isEven?: boolean;
  /** Whiteouts of files that a lower layer of this folder and number of files has: one in ten, and one opaque marker. */
  readonly hides?: { readonly folder: string; readonly files: number };
}

const FILES_A_FOLDER = 12;
const FILES_A_SYMLINK = 40;
const FILES_A_HARDLINK = 150;
const FILES_A_WHITEOUT = 10;

/** Makes the tar of a layer; the same shape gives the same bytes. */
export function buildLayer(shape: LayerShape): Buffer {
  const random = createRandom(shape.seed);
  const content = createContent(shape.content, shape.seed);
  const parts: LayerPart[] = [dir(shape.folder)];
  for (const [index, sizeBytes] of sizesOf(shape, random).entries()) {
    if (index % FILES_A_FOLDER === 0) parts.push(dir(folderOf(shape.folder, index), metadataOf(random)));
    const name = nameOf(shape.folder, index);
    parts.push(file(name, content.next(sizeBytes), { ...metadataOf(random), mode: index % 10 === 0 ? 0o755 : 0o644 }));
    if (index % FILES_A_SYMLINK === 1) parts.push(symlink(`${name}.link`, `file-${index}.js`));
    if (index % FILES_A_HARDLINK === 2)
      parts.push(hardlink(`${name}.hard`, nameOf(shape.folder, random.integer(index))));
  }
  if (shape.hides) parts.push(...whiteoutsOf(shape.hides));
  return layer(...parts);
}

function whiteoutsOf({ folder, files }: { readonly folder: string; readonly files: number }): LayerPart[] {
  const indexes = Array.from(
    { length: Math.floor(files / FILES_A_WHITEOUT) },
    (_, at) => (at + 1) * FILES_A_WHITEOUT - 1,
  );
  return [...indexes.map((index) => whiteout(nameOf(folder, index))), opaque(folderOf(folder, 0))];
}

function folderOf(folder: string, index: number): string {
  return `${folder}/package-${Math.floor(index / FILES_A_FOLDER)}`;
}

function nameOf(folder: string, index: number): string {
  return `${folderOf(folder, index)}/file-${index}.js`;
}

function metadataOf(random: Random): { readonly uid: number; readonly gid: number; readonly mtime: number } {
  return { uid: 0, gid: random.integer(4) === 0 ? 42 : 0, mtime: 1_600_000_000 + random.integer(100_000_000) };
}

/** Sizes that add up to about the total. */
function sizesOf({ files, totalBytes, isEven }: LayerShape, random: Random): number[] {
  const weights = Array.from({ length: files }, () => (isEven ? 1 : 10 ** (random.integer(3000) / 1000)));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => Math.round((weight / sum) * totalBytes));
}
