import { XATTR } from './commands.js';

/** Attributes a consumer would act on; from an image they are never set (M12). */
const FORGEABLE =
  /^(?:trusted\.overlay\.|user\.overlay\.|user\.fuseoverlayfs\.|security\.fuseoverlayfs\.|user\.containers\.|user\.msb\.)/;

/** What needs privileges; a label of SELinux is the host's own affair (M14). */
const PRIVILEGED = /^(?:security\.(?!selinux$)|trusted\.|system\.)/;

/** The copy of a capability that fuse-overlayfs shows as the real one (M13). */
export const CAPABILITY_COPY: Uint8Array = Buffer.from('user.containers.override_security.capability');

export interface XattrDecision {
  /** One of {@link XATTR}. */
  readonly flag: number;
  /** Set {@link CAPABILITY_COPY} to the same value too. */
  readonly hasCopy: boolean;
  /** Needs privileges: set after all others (§12). */
  readonly isPrivileged: boolean;
  /** Rule that warns, if one does. */
  readonly warning: string | null;
}

/** What attributes are for. */
export interface XattrHolder {
  /** Whether the host's file can hold `user.*`: regular files and directories of the image alone. */
  readonly canHold: boolean;
  /** Whether the caller wants those set that need privileges (M13, M15). */
  readonly isPrivileged: boolean;
}

const KEPT: XattrDecision = { flag: XATTR.KEPT, hasCopy: false, isPrivileged: false, warning: null };
const SET: XattrDecision = { ...KEPT, flag: XATTR.SET };
const SET_PRIVILEGED: XattrDecision = { ...SET, isPrivileged: true };
const KEPT_FORGED: XattrDecision = { ...KEPT, warning: 'M12' };
const KEPT_UNSETTABLE: XattrDecision = { ...KEPT, warning: 'S6' };

/** What is done with one attribute of an entry (M11 to M15). */
export function decideXattr(name: string, { canHold, isPrivileged }: XattrHolder): XattrDecision {
  if (FORGEABLE.test(name)) return KEPT_FORGED;
  if (!canHold) return KEPT_UNSETTABLE;
  if (name.startsWith('user.')) return SET;
  const decision = isPrivileged && PRIVILEGED.test(name) ? SET_PRIVILEGED : KEPT;
  return name === 'security.capability' ? { ...decision, hasCopy: true } : decision;
}
