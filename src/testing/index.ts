/** Fakes for tests of Sluice and of programs that use it: layers, images and an embedded registry with faults. */
export { compress, gzipMembers, type LayerCompression } from './compress.js';
export { parseLayer, parseLayerParts } from './dsl.js';
export type { Fault, FaultAction, FaultMatch, RedirectStatus, RequestKind } from './faults.js';
export {
  buildImage,
  buildIndex,
  jsonBlob,
  ociLayoutFiles,
  writeOciLayout,
  type ImageInput,
  type IndexEntry,
  type LayerInput,
  type MediaTypes,
  type TestBlob,
  type TestImage,
  type TestIndex,
  type TestLayer,
} from './image.js';
export {
  blockDevice,
  charDevice,
  dir,
  end,
  entry,
  fifo,
  file,
  gnuLongLink,
  gnuLongName,
  hardlink,
  junk,
  layer,
  meta,
  opaque,
  pax,
  paxGlobal,
  raw,
  sparse,
  symlink,
  whiteout,
  type EntryOptions,
  type LayerPart,
  type SparseOptions,
  type WhiteoutForm,
} from './layer.js';
export { packDirectory, type PackOptions } from './pack-directory.js';
export { createRandom, randomImage, type Random, type RandomImageOptions } from './random.js';
export type { BlobRedirect, RegistryAuth, RegistryCredentials, RegistryOptions } from './registry-options.js';
export { startRegistry, type LoggedRequest, type TestRegistry } from './registry.js';
export type { ConnectionEnd, Framing } from './reply.js';
export type { SparseForm, SparseRow, SparseSegment } from './sparse.js';
export {
  encodeHeader,
  encodePaxRecords,
  paxRecord,
  type Bytes,
  type PaxRecords,
  type TarFormat,
  type TarHeader,
} from './tar.js';
