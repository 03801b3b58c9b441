import { createRequire } from 'node:module';
import type * as Binding from 'xattr-native';
import { errnoOf, SluiceError } from './errors.js';

/** The addon's functions; `native/binding.d.ts` is their contract. */
export type Native = typeof Binding;
export type { InflaterHandle, WriterHandle } from 'xattr-native';

let loaded: Native | undefined;

/**
 * The addon, loaded on first use by this thread.
 * @throws SluiceError ADDON_MISSING
 */
export function native(): Native {
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
