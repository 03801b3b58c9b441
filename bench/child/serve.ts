/**
 * Serves images of an OCI layout from memory over HTTP on 127.0.0.1, in a process of its own, until standard input ends.
 *   serve.js LAYOUT TAG...      prints one reference a line, then an empty line
 */
import { readFileSync } from 'node:fs';
import { parseDigest } from '../../src/oci/digest.js';
import { startRegistry } from '../../src/testing/index.js';
import { blobPath, readImages } from '../corpus/layout.js';

const REPOSITORY = 'bench/image';
const [layout, ...tags] = process.argv.slice(2);
await using registry = await startRegistry();
for (const { tag, digest, mediaType, layers } of readImages(layout!, tags)) {
  const bytes = readFileSync(blobPath(layout!, digest));
  const { config } = JSON.parse(bytes.toString()) as { config: { digest: string } };
  for (const blob of [config.digest, ...layers.map((layer) => layer.digest)]) {
    registry.pushBlob(REPOSITORY, parseDigest(blob), readFileSync(blobPath(layout!, blob)));
  }
  const descriptor = { mediaType, digest: parseDigest(digest), size: bytes.length };
  registry.pushManifest(REPOSITORY, { descriptor, bytes }, tag);
  console.log(`${registry.host}/${REPOSITORY}:${tag}`);
}
console.log('');
for await (const _ of process.stdin);
