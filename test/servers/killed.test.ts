import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildImage, file, layer } from '../../src/testing/index.js';
import { formatPlatform, hostPlatform } from '../../src/oci/platform.js';
import { startCountingProxy } from '../helpers/counting-proxy.js';
import { pushImage, startDockerRegistry } from '../helpers/docker-registry.js';
import { needs } from '../helpers/needs.js';
import { openSluice } from '../helpers/sluice.js';
import { isolateEnvironment, temporaryDirectory } from '../helpers/temporary.js';
import { testBytes } from '../source/registry/setup.js';

const MIB = 1024 * 1024;

test(
  'registry R80 a docker-registry that is killed in mid layer and started again: 200 MB arrive, 1 % twice at most',
  { skip: needs('docker-registry'), timeout: 300_000 },
  async (t) => {
    isolateEnvironment(t);
    const image = buildImage({
      layers: [{ tar: layer(file('big', testBytes(200 * MIB))), compression: 'none' }],
      platform: formatPlatform(hostPlatform()),
    });
    const registry = await startDockerRegistry(t);
    await pushImage(registry.url, { repository: 'a/b', tag: '1', image });
    const proxy = await startCountingProxy(t, Number(new URL(registry.url).port));
    const sluice = await openSluice(t, { home: join(temporaryDirectory(t, 'sluice-home'), 'home'), jobs: 1 });
    const pulling = sluice.pull(`${proxy.host}/a/b:1`, { sync: false });
    const restarts = [50 * MIB, 120 * MIB];
    for (const at of restarts) {
      await proxy.standStillAfter(at);
      await registry.stop();
      await registry.restart();
      proxy.cut();
    }
    const pulled = await pulling;
    const [stored] = pulled.layers;
    assert.equal(statSync(join(stored!.path, 'big')).size, 200 * MIB);
    const size = image.layers[0]!.bytes.length;
    assert.ok(proxy.bytes >= size);
    assert.ok(proxy.bytes <= size * 1.01, `${proxy.bytes - size} bytes more than the layer has`);
    assert.ok(resumedIn(proxy.ranges) >= restarts.length, 'each restart broke a body in its middle');
  },
);

/** Ranges that end where an earlier one does, and begin later. */
function resumedIn(ranges: readonly string[]): number {
  return ranges.length - new Set(ranges.map((range) => range.split('-')[1])).size;
}
