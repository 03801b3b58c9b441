import { fileSystemError, SluiceError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { layerSidecar } from '../store/layout.js';
import { readSidecar } from '../store/sidecar.js';
import type { LayersLocation } from '../store/types.js';
import { readHostView, readSidecarText } from './sidecar-file.js';

/**
 * The sidecar of a layer, as it is or as the host's file system shows the layer.
 * @returns pieces in order, each its receiver's to keep
 * @throws SluiceError IMAGE_NOT_FOUND | SIDECAR_CORRUPT | STORE_FAILED
 */
export async function* readLayerSidecar(
  digest: Digest,
  location: LayersLocation,
  isHostView: boolean,
): AsyncGenerator<Buffer, void, undefined> {
  const path = layerSidecar(location, digest);
  try {
    if ((await readSidecar(path, digest)) === null) throw absent(digest, 'its sidecar is of another version');
    yield* isHostView ? readHostView(path) : readSidecarText(path);
  } catch (error) {
    const failure = fileSystemError(`reading sidecar ${JSON.stringify(path)}`, error).with({ layer: digest });
    throw failure.detail.errno === 'ENOENT' ? absent(digest, 'it is not in the store') : failure;
  }
}

function absent(digest: Digest, why: string): SluiceError {
  return new SluiceError('IMAGE_NOT_FOUND', { message: `looking for layer "${digest}": ${why}`, layer: digest });
}
