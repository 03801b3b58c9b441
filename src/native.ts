import { createRequire } from 'node:module';
import type * as Binding from 'xattr-native';
import { errnoOf, SluiceError } from './errors.js';

/** The addon's functions; `native/binding.d.ts` is their contract. */
export type Native = typeof Binding;
export type { InflaterHandle, WriterHandle } from 'xattr-native';

let loaded: Native | undefined;

/** @throws SluiceError PLATFORM_UNSUPPORTED anywhere but on Linux (compat K19) */
export function checkPlatform(): void {
  if (process.platform === 'linux') return;
  throw new SluiceError('PLATFORM_UNSUPPORTED', `starting Sluice: this is ${process.platform}`);
}

/**
 * The addon, loaded on first use by this thread.
 * @throws SluiceError ADDON_MISSING | PLATFORM_UNSUPPORTED
 */
export function native(): Native {
  if (!loaded) checkPlatform();
  try {
    loaded ??= createRequire(import.meta.url)('xattr-native') as Native;
  } catch (cause) {
    const errno = errnoOf(cause);
    throw new SluiceError(
      'ADDON_MISSING',
      { message: `loading the addon "xattr-native"${errno ? `: ${errno}` : ''}` },
      { cause },
    );
  }
  return loaded;
}

/** Whether {@link native} would succeed. */
export function isNativeAvailable(): boolean {
  try {
    native();
    return true;
  } catch {
    return false;
  }
}
