import { SluiceError } from '../../errors.js';
import { isNativeAvailable, native } from '../../native.js';
import type { DecoderName } from '../../transfer/protocol.js';
import type { Inflater } from './inflater.js';
import { openNativeInflater } from './native.js';
import { openPakoInflater } from './pako.js';

/** Decoders of this machine, fastest first. */
export function decoders(): Exclude<DecoderName, 'auto'>[] {
  const inAddon = isNativeAvailable() ? (native().inflaters() as Exclude<DecoderName, 'auto'>[]) : [];
  return [...inAddon, 'pako'];
}

/** @throws SluiceError DECODER_MISSING */
export function openInflater(name: DecoderName): Inflater {
  const available = decoders();
  const chosen = name === 'auto' ? available[0]! : name;
  if (!available.includes(chosen)) {
    throw new SluiceError('DECODER_MISSING', `opening decoder "${chosen}": this machine has ${available.join(', ')}`);
  }
  return chosen === 'pako' ? openPakoInflater() : openNativeInflater(chosen);
}
