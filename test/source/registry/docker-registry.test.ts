import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildImage, file, layer } from '../../../src/testing/index.js';
import { pushImage, startDockerRegistry } from '../../helpers/docker-registry.js';
import { needs } from '../../helpers/needs.js';
import { never, open, openBlob, readInParts, testBytes } from './setup.js';

const MIB = 1024 * 1024;

test(
  'registry R80 the docker registry: by tag, by digest, and a layer in ranges',
  { skip: needs('docker-registry') },
  async (t) => {
    const { host, url } = await startDockerRegistry(t);
    const image = buildImage({ layers: [{ tar: layer(file('big', testBytes(5 * MIB))), compression: 'none' }] });
    const [one] = image.layers;
    assert.ok(one);
    await pushImage(url, { repository: 'a/b', tag: '1', image });

    const { source } = open(t, `${host}/a/b:1`);
    assert.equal(await source.peekDigest(never), image.digest);
    const top = await source.readTop(never);
    assert.ok(Buffer.from(top.bytes).equals(image.manifest.bytes));
    assert.equal(top.contentType, image.descriptor.mediaType);
    assert.deepEqual(top.expected, { digest: image.digest });
    const config = await source.readDocument(image.config.descriptor, 'config', never);
    assert.ok(Buffer.from(config.bytes).equals(image.config.bytes));
    const reader = await openBlob(source, one.bytes);
    assert.ok((await readInParts(reader, one.bytes.length, MIB)).equals(one.bytes));

    const missing = open(t, `${host}/no/such:1`);
    assert.equal(await missing.source.peekDigest(never), null);
    await assert.rejects(missing.source.readTop(never), { code: 'MANIFEST_UNKNOWN' });
    const gone = await openBlob(source, testBytes(10));
    await assert.rejects(
      gone.read(0, 10, () => undefined, never),
      { code: 'BLOB_UNKNOWN' },
    );
  },
);
