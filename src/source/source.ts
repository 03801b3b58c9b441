import type { Digest } from '../oci/digest.js';
import type { Descriptor } from '../oci/manifest.js';

/** A manifest, index or config as it was received; nothing about it is verified yet. */
export interface Document {
  readonly bytes: Uint8Array;
  /** Lower case, parameters cut; null when the source says none. */
  readonly contentType: string | null;
  /** What the source itself promises of the bytes; the resolver compares it with what it computes. */
  readonly expected?: { readonly digest: Digest; readonly size?: number };
  /** Who answered, for messages. */
  readonly host: string;
}

/** Reads one remote blob; ranges may overlap in time but not in bytes. */
export interface BlobReader {
  /**
   * Hands the bytes `offset` up to `offset + length` to `sink`, in order, complete; resumes and retries by itself. A
   * chunk is valid only during the call of `sink`, which never refuses one: ask only for what there is room for.
   * @throws SluiceError by registry §12; ABORTED when the signal fires
   */
  read(offset: number, length: number, sink: (chunk: Uint8Array) => void, signal: AbortSignal): Promise<void>;
  /** How often the source asked for patience or broke off, so far; absent where neither happens. */
  setbacks?(): number;
  /** Who is asked, for messages; absent where nobody is. */
  host?(): string | undefined;
  /** Ends all requests under way and frees what was spilled. */
  close(): Promise<void>;
}

/** Where a worker or the transfer gets a blob's bytes. */
export type BlobAccess =
  | { readonly kind: 'file'; readonly path: string; readonly offset: number; readonly length: number }
  | {
      readonly kind: 'remote';
      /** @param isBulk whether others go first at this moment (registry R75) */
      openReader(isBulk: () => boolean): BlobReader;
    };

/**
 * Where images come from. A source kind implements this small core; resolving an image, verifying documents, feeding
 * rings and reading files are done once, above it. Sources compare no digest themselves.
 */
export interface Source extends AsyncDisposable {
  /**
   * Asks what the reference leads to without fetching it.
   * @returns null when the source can't tell without the document itself
   */
  peekDigest(signal: AbortSignal): Promise<Digest | null>;
  /**
   * Asks whether the caller may have what the reference leads to; absent where everybody may.
   * @throws SluiceError by registry §12
   */
  checkAccess?(signal: AbortSignal): Promise<void>;
  /** Reads what the reference itself leads to: an image index or a manifest. */
  readTop(signal: AbortSignal): Promise<Document>;
  /** Reads a manifest or index by digest, or a config blob. */
  readDocument(descriptor: Descriptor, asked: 'manifest' | 'config', signal: AbortSignal): Promise<Document>;
  /** Finds a layer's blob. */
  locateBlob(descriptor: Descriptor, signal: AbortSignal): Promise<BlobAccess>;
}
