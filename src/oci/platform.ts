import { SluiceError } from '../errors.js';

/** What a layer's programs run on, in normal form (registry R108): `linux` `arm64` `v8`. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  /** Always set for amd64, arm and arm64. */
  readonly variant?: string;
}

/** A platform as an image names it: any case, any alias, the variant left out. */
export interface PlatformNames {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}

const ALIASES: ReadonlyMap<string, { readonly architecture: string; readonly variant?: string }> = new Map([
  ['x86_64', { architecture: 'amd64' }],
  ['x86-64', { architecture: 'amd64' }],
  ['aarch64', { architecture: 'arm64' }],
  ['armhf', { architecture: 'arm', variant: 'v7' }],
  ['armel', { architecture: 'arm', variant: 'v6' }],
  ['i386', { architecture: '386' }],
]);

/** The architectures whose variants are levels, with the level that is meant when none is written. */
const DEFAULT_VARIANTS: ReadonlyMap<string, string> = new Map([
  ['amd64', 'v1'],
  ['arm', 'v7'],
  ['arm64', 'v8'],
]);

const NODE_ARCHITECTURES: ReadonlyMap<string, string> = new Map([
  ['x64', 'amd64'],
  ['ia32', '386'],
  ['ppc64', 'ppc64le'],
]);

/**
 * Reads `os/arch[/variant]`.
 * @throws SluiceError CONFIG_INVALID
 */
export function parsePlatform(text: string): Platform {
  const parts = text.split('/');
  const [os = '', architecture = '', variant] = parts;
  if (parts.length > 3 || !parts.every((part) => /^[A-Za-z0-9_.-]+$/.test(part)) || architecture === '')
    throw new SluiceError('CONFIG_INVALID', {
      message: `reading platform ${JSON.stringify(text.slice(0, 200))}`,
      hint: 'A platform is os/arch[/variant], for example linux/arm64.',
    });
  return normalizePlatform({ os, architecture, variant });
}

/** `os/arch[/variant]`; `v1` of amd64 is not written. */
export function formatPlatform({ os, architecture, variant }: PlatformNames): string {
  const isImplied = variant === undefined || variant === '' || (architecture === 'amd64' && variant === 'v1');
  return isImplied ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/**
 * Resolves aliases and case, and gives amd64, arm and arm64 the variant that is meant when none is written.
 * @see registry R108
 */
export function normalizePlatform(names: PlatformNames): Platform {
  const { os, architecture, variant } = resolveAliases(names);
  const meant = variant ?? DEFAULT_VARIANTS.get(architecture);
  return meant === undefined ? { os, architecture } : { os, architecture, variant: meant };
}

/** The default platform: linux, on every host (registry R107). */
export function hostPlatform(
  nodeArchitecture: string = process.arch,
  armVersion: string | undefined = nodeArmVersion(),
): Platform {
  const architecture = NODE_ARCHITECTURES.get(nodeArchitecture) ?? nodeArchitecture;
  const variant = architecture === 'arm' && armVersion === '6' ? 'v6' : undefined;
  return normalizePlatform({ os: 'linux', architecture, variant });
}

function nodeArmVersion(): string | undefined {
  const variables: Readonly<Record<string, unknown>> = process.config.variables;
  return typeof variables['arm_version'] === 'string' ? variables['arm_version'] : undefined;
}

/** Whether a config's platform is the wanted one; the variant is no part of it (registry R112). */
export function isPlatformMatch(wanted: Platform, found: PlatformNames): boolean {
  const { os, architecture } = resolveAliases(found);
  return (os === '' || os === wanted.os) && (architecture === '' || architecture === wanted.architecture);
}

/**
 * How well what an index offers fits what is wanted: 0 is exact, more is worse, null does not fit. Variants of amd64, arm
 * and arm64 count downwards from the wanted one, never above it, and none at all comes last; elsewhere a variant is
 * equal or, at the second place, absent.
 * @see registry R109, R110
 */
export function rankPlatform(wanted: Platform, offered: PlatformNames): number | null {
  const { os, architecture, variant } = resolveAliases(offered);
  if (os !== wanted.os || architecture !== wanted.architecture) return null;
  if (variant === wanted.variant) return 0;
  if (variant === undefined) return NO_VARIANT;
  const isCounted = DEFAULT_VARIANTS.has(architecture);
  const below = isCounted ? levelOf(wanted.variant) - levelOf(variant) : Number.NaN;
  return below > 0 ? below : null;
}

/** Above the distance of any two levels. */
const NO_VARIANT = 1e6;

/** A variant as a number, `v8.2` being 8002; NaN for one that is no level. */
function levelOf(variant: string | undefined): number {
  const match = /^v(\d{1,2})(?:\.(\d{1,2}))?$/.exec(variant ?? '');
  return match ? Number(match[1]) * 1000 + Number(match[2] ?? 0) : Number.NaN;
}

function resolveAliases(names: PlatformNames): { os: string; architecture: string; variant: string | undefined } {
  const written = names.architecture.toLowerCase();
  const alias = ALIASES.get(written);
  const architecture = alias?.architecture ?? written;
  const variant = alias?.variant ?? names.variant?.toLowerCase();
  return {
    os: names.os.toLowerCase(),
    architecture,
    variant: variant === '' ? undefined : withV(architecture, variant),
  };
}

function withV(architecture: string, variant: string | undefined): string | undefined {
  const isNumber = variant !== undefined && /^\d/.test(variant) && DEFAULT_VARIANTS.has(architecture);
  return isNumber ? `v${variant}` : variant;
}
