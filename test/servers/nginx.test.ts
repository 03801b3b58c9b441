import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { buildImage, file, layer } from '../../src/testing/index.js';
import { formatPlatform, hostPlatform } from '../../src/oci/platform.js';
import { freePort, pushImage, startDockerRegistry } from '../helpers/docker-registry.js';
import { needs } from '../helpers/needs.js';
import { startNginx } from '../helpers/nginx.js';
import { openSluice } from '../helpers/sluice.js';
import { isolateEnvironment, temporaryDirectory } from '../helpers/temporary.js';
import { testBytes } from '../source/registry/setup.js';

const run = promisify(execFile);
const MIB = 1024 * 1024;
const platform = formatPlatform(hostPlatform());
const big = testBytes(20 * MIB);
const image = buildImage({ layers: [{ tar: layer(file('big', big)), compression: 'none' }], platform });
const skip = needs('docker-registry') || needs('htpasswd') || needs('nginx');

test(
  'registry R49 R53 nginx as a CDN that refuses Authorization serves the blobs of a registry with a login',
  { skip },
  async (t) => {
    isolateEnvironment(t);
    const passwords = join(temporaryDirectory(t), 'htpasswd');
    writeFileSync(passwords, (await run('htpasswd', ['-nbB', 'user', 'pass'])).stdout);
    const registry = await startDockerRegistry(t, { auth: { htpasswd: { realm: 'test', path: passwords } } });
    chmodSync(dirname(registry.dataDirectory), 0o755);
    const authorization = `Basic ${btoa('user:pass')}`;
    await pushImage(registry.url, { repository: 'a/b', tag: '1', image }, { authorization });
    const [front, cdn] = [await freePort(), await freePort()];
    const blobs = join(registry.dataDirectory, 'docker/registry/v2/blobs/sha256');
    const nginx = await startNginx(
      t,
      `server {
      listen 127.0.0.1:${front};
      location ~ "^/v2/.+/blobs/sha256:(..)(.{62})$" {
        return 307 http://127.0.0.1:${cdn}/$1/$1$2/data?signature=secret;
      }
      location / { proxy_pass ${registry.url}; proxy_set_header Host $http_host; }
    }
    server {
      listen 127.0.0.1:${cdn};
      if ($http_authorization) { return 400; }
      if ($arg_signature != secret) { return 403; }
      location / { root ${blobs}; }
    }`,
      cdn,
    );
    const sluice = await openSluice(t, { home: join(temporaryDirectory(t), 'home'), jobs: 1 });
    const credentials = { username: 'user', password: 'pass' };
    const pulled = await sluice.pull(`127.0.0.1:${front}/a/b:1`, { credentials });
    assert.equal(pulled.digest, image.digest);
    const lines = nginx.accessLog().map((line) => line.split(' '));
    const asked = lines.filter(([, uri]) => uri!.includes('/blobs/'));
    const served = lines.filter(([, uri]) => uri!.includes('signature='));
    const hex = image.layers[0]!.descriptor.digest.slice('sha256:'.length);
    assert.equal(asked.filter(([, uri]) => uri!.includes(hex)).length, 1);
    assert.ok(asked.every(([, , , auth]) => auth === 'Basic'));
    assert.ok(served.filter(([, uri]) => uri!.includes(hex)).length >= 5);
    assert.ok(served.every(([, , status, auth]) => (status === '206' || status === '200') && auth === '-'));
  },
);
