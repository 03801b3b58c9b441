import { localName, type Reference, type RegistryReference } from '../oci/reference.js';
import { completeSource } from './inline.js';
import { openOciLayout, readTopDescriptor, type OciLayoutOptions } from './oci-layout.js';
import { openRegistry, type RegistryOptions } from './registry/registry.js';
import type { Source } from './source.js';

export interface SourceSettings extends RegistryOptions, OciLayoutOptions {}

/** Opens what a reference names; the caller disposes of it. */
export function openSource(reference: Reference, settings: SourceSettings): Source {
  switch (reference.kind) {
    case 'registry':
      return completeSource(openRegistry(reference, settings));
    case 'oci':
      return completeSource(openOciLayout(reference, settings));
    default:
      return reference satisfies never;
  }
}

export interface NameSettings extends OciLayoutOptions {
  /** What the user wants an image from a layout recorded as. */
  readonly name?: string | undefined;
  readonly defaultRegistry?: string | undefined;
}

/**
 * The reference under which what `reference` leads to is recorded: itself, but for an OCI layout, see {@link localName}.
 * @throws SluiceError REFERENCE_INVALID for the user's name; as {@link readTopDescriptor} for a layout
 */
export async function readRecordedName(
  reference: Reference,
  settings: NameSettings,
  signal: AbortSignal,
): Promise<RegistryReference> {
  if (reference.kind === 'registry') return reference;
  const { name, defaultRegistry } = settings;
  const { annotations } = await readTopDescriptor(reference, settings, signal);
  return localName(reference, { name, defaultRegistry, annotations });
}
