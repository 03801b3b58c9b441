import assert from 'node:assert/strict';
import { existsSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildImage, dir, file, layer, writeOciLayout } from '../../../src/testing/index.js';
import { startDockerRegistry } from '../../helpers/docker-registry.js';
import { needs } from '../../helpers/needs.js';
import { createSkopeo } from '../../helpers/skopeo.js';
import { openSluice } from '../../helpers/sluice.js';
import { isolateEnvironment, temporaryDirectory } from '../../helpers/temporary.js';

const skip = needs('docker-registry') || needs('skopeo');

/** microsandbox's own test of its image manager: every layer is there, and so are the files that nginx needs. */
test(
  'compat U13 an nginx image that skopeo pushed is pulled, its files spread over its layers',
  { skip },
  async (t) => {
    isolateEnvironment(t);
    const work = temporaryDirectory(t);
    const registry = await startDockerRegistry(t);
    const skopeo = createSkopeo(work);
    const layout = join(work, 'layout');
    const image = buildImage({
      layers: [
        { tar: layer(dir('etc'), dir('etc/nginx'), file('etc/nginx/nginx.conf', 'user nginx;\n')) },
        { tar: layer(file('usr/sbin/nginx', '#!/bin/sh\n', { mode: 0o755 })) },
        { tar: layer(dir('etc/nginx/conf.d'), file('etc/nginx/conf.d/default.conf', 'server {}\n')) },
      ],
    });
    writeOciLayout(layout, { 'stable-alpine': image });
    const reference = `${registry.host}/library/nginx:stable-alpine`;
    await skopeo.copy(`oci:${layout}:stable-alpine`, `docker://${reference}`);

    const home = join(work, 'home');
    const sluice = await openSluice(t, { home });
    const pulled = await sluice.pull(reference, { plainHttp: [registry.host] });

    assert.ok(existsSync(join(home, 'oci.db')));
    assert.ok(pulled.layers.length > 0, 'image has no layers');
    for (const { path, digest } of pulled.layers) {
      assert.equal(path, join(home, 'layers', `${digest}.extracted`));
      assert.ok(lstatSync(path).isDirectory(), `${path} does not exist`);
    }
    for (const wanted of ['etc/nginx/nginx.conf', 'etc/nginx/conf.d/default.conf', 'usr/sbin/nginx']) {
      assert.ok(
        pulled.layers.some(({ path }) => existsSync(join(path, wanted))),
        `${wanted} is in no layer`,
      );
    }
  },
);
