import { XATTR } from './commands.js';

/** Attributes a consumer would act on; from an image they are never set (M12). */
const FORGEABLE =
  /^(?:trusted\.overlay\.|user\.overlay\.|user\.fuseoverlayfs\.|security\.fuseoverlayfs\.|user\.containers\.|user\.msb\.)/;

/** The copy of a capability that fuse-overlayfs shows as the real one (M13). */
export const CAPABILITY_COPY: Uint8Array = Buffer.from('user.containers.override_security.capability');

export interface XattrDecision {
  /** One of {@link XATTR}. */
  readonly flag: number;
  /** Set {@link CAPABILITY_COPY} to the same value too. */
  readonly hasCopy: boolean;
  /** Rule that warns, if one does. */
  readonly warning: string | null;
}

const SET: XattrDecision = { flag: XATTR.SET, hasCopy: false, warning: null };
const KEPT: XattrDecision = { flag: XATTR.KEPT, hasCopy: false, warning: null };
const KEPT_FORGED: XattrDecision = { flag: XATTR.KEPT, hasCopy: false, warning: 'M12' };
const KEPT_UNSETTABLE: XattrDecision = { flag: XATTR.KEPT, hasCopy: false, warning: 'S6' };
const CAPABILITY: XattrDecision = { flag: XATTR.KEPT, hasCopy: true, warning: null };

/**
 * What is done with one attribute of an entry (M11 to M15).
 * @param canHold whether the host's file can hold `user.*`: regular files and directories of the image alone
 */
export function decideXattr(name: string, canHold: boolean): XattrDecision {
  if (FORGEABLE.test(name)) return KEPT_FORGED;
  if (!canHold) return KEPT_UNSETTABLE;
  if (name.startsWith('user.')) return SET;
  return name === 'security.capability' ? CAPABILITY : KEPT;
}
