import { kindOfDocument } from '../oci/media-type.js';
import type { Descriptor, ImageIndex } from '../oci/manifest.js';
import { formatPlatform, rankPlatform, type Platform, type PlatformNames } from '../oci/platform.js';

/** What an image index entry can be to a pull. */
type EntryChoice =
  { readonly kind: 'manifest'; readonly rank: number } | { readonly kind: 'index' } | { readonly kind: 'none' };

/** An entry of an image index with the platform it stands for. */
export interface OfferedEntry {
  readonly descriptor: Descriptor;
  /** Its own, or that of the nested index it lies in. */
  readonly platform: PlatformNames | null;
  readonly choice: EntryChoice;
}

/** An entry of unknown platform is worse than any that fits; the config decides then. */
const RANK_UNKNOWN = Number.MAX_SAFE_INTEGER;

/** Whether an index entry is no image at all: attestations, signatures, other artifacts (registry R105). */
export function isPassedOver(descriptor: Descriptor): boolean {
  const { annotations, platform, artifactType, mediaType } = descriptor;
  return (
    annotations?.['vnd.docker.reference.type'] !== undefined ||
    (platform?.os === 'unknown' && platform.architecture === 'unknown') ||
    artifactType !== undefined ||
    kindOfDocument(mediaType) === null
  );
}

/**
 * Decides for every entry of one index, in document order, whether it is a candidate, a nested index to follow, or
 * nothing.
 * @param inherited platform of the entry through which this index was reached
 * @see registry R104 to R106, R109, R110
 */
export function chooseEntries(
  index: ImageIndex,
  wanted: Platform | 'any',
  inherited: PlatformNames | null,
): readonly OfferedEntry[] {
  const left = index.manifests.filter((descriptor) => !isPassedOver(descriptor));
  return left.map((descriptor) => {
    const isOwn = descriptor.platform !== undefined;
    const platform = descriptor.platform ?? inherited;
    const rank = wanted === 'any' ? 0 : platform === null ? RANK_UNKNOWN : rankPlatform(wanted, platform);
    const isIndex = kindOfDocument(descriptor.mediaType) === 'index';
    const isCandidate = rank !== null && (isIndex || isOwn || wanted === 'any' || left.length === 1);
    const choice: EntryChoice = !isCandidate
      ? { kind: 'none' }
      : isIndex
        ? { kind: 'index' }
        : { kind: 'manifest', rank };
    return { descriptor, platform, choice };
  });
}

/**
 * A platform from outside as printable `os/arch[/variant]`, fit to be part of a name in the store.
 * @param byDefault for what the names leave empty
 */
export function describePlatform(names: PlatformNames, byDefault: PlatformNames = UNKNOWN): string {
  return formatPlatform({
    os: word(names.os || byDefault.os),
    architecture: word(names.architecture || byDefault.architecture),
    variant: names.variant && word(names.variant),
  });
}

const UNKNOWN: PlatformNames = { os: 'unknown', architecture: 'unknown' };

function word(text: string): string {
  return text.slice(0, 64).replace(/[^A-Za-z0-9_.-]/g, '-');
}
