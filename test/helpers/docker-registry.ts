import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOf } from '../../src/oci/digest.js';
import type { TestImage } from '../../src/testing/index.js';
import { temporaryDirectory, type Cleanup } from './temporary.js';

/** A running registry of Debian's package `docker-registry`. */
export interface DockerRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly url: string;
  /** Folder of its storage driver. */
  readonly dataDirectory: string;
  /** What it logged so far. */
  log(): string;
  /** Kills it and waits for that; done after the test in any case. */
  stop(): Promise<void>;
  /** Starts it again on its port, with what was pushed. */
  restart(): Promise<void>;
}

/**
 * Starts `docker-registry serve` on a free port of 127.0.0.1 with a config file and a data folder of its own, and
 * waits until it answers.
 * @param config top-level sections put over the config, e.g. `auth` or `http`'s `tls`
 * @throws Error with its log when it does not start within 10 s
 */
export async function startDockerRegistry(
  t: Cleanup,
  config: { readonly http?: Readonly<Record<string, unknown>>; readonly [section: string]: unknown } = {},
): Promise<DockerRegistry> {
  let stop = (): Promise<void> => Promise.resolve();
  t.after(() => stop()); // before the directory goes: hooks run in the order they are registered
  const directory = temporaryDirectory(t, 'sluice-docker-registry');
  const dataDirectory = join(directory, 'data');
  mkdirSync(dataDirectory);
  const port = await freePort();
  const { http, ...sections } = config;
  const configFile = join(directory, 'config.yml');
  const settings = {
    version: 0.1,
    log: { accesslog: { disabled: true }, level: 'warn' },
    storage: { filesystem: { rootdirectory: dataDirectory }, delete: { enabled: true } },
    ...sections,
    http: { addr: `127.0.0.1:${port}`, ...http },
  };
  writeFileSync(configFile, JSON.stringify(settings)); // JSON is YAML
  let output = '';
  const restart = async (): Promise<void> => {
    const child = spawn('docker-registry', ['serve', configFile], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], HOME: directory, OTEL_TRACES_EXPORTER: 'none' },
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    }
    const exited = once(child, 'exit');
    stop = async () => {
      child.kill('SIGKILL');
      await exited;
    };
    await waitForPort(
      port,
      () => child.exitCode !== null,
      () => output,
    );
  };
  await restart();
  const scheme = http?.['tls'] === undefined ? 'http' : 'https';
  const [host, url] = [`127.0.0.1:${port}`, `${scheme}://127.0.0.1:${port}`];
  return { host, url, dataDirectory, log: () => output, stop: () => stop(), restart };
}

/**
 * Pushes an image in one piece a blob.
 * @param headers of every request, e.g. `authorization`
 * @see OCI distribution-spec, "Pushing blobs"
 */
export async function pushImage(
  url: string,
  { repository, tag, image }: { readonly repository: string; readonly tag: string; readonly image: TestImage },
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  for (const { bytes } of [...image.layers, image.config]) {
    const begun = await fetch(`${url}/v2/${repository}/blobs/uploads/`, { method: 'POST', headers });
    const place = new URL(begun.headers.get('location') ?? '', url);
    place.searchParams.set('digest', digestOf(bytes));
    const type = { 'content-type': 'application/octet-stream' };
    const ended = await fetch(place, { method: 'PUT', headers: { ...headers, ...type }, body: new Uint8Array(bytes) });
    if (ended.status !== 201) throw new Error(`a blob was not taken: ${ended.status} ${await ended.text()}`);
  }
  const type = { 'content-type': image.descriptor.mediaType };
  const body = new Uint8Array(image.manifest.bytes);
  const manifest = `${url}/v2/${repository}/manifests/${tag}`;
  const tagged = await fetch(manifest, { method: 'PUT', headers: { ...headers, ...type }, body });
  if (tagged.status !== 201) throw new Error(`the manifest was not taken: ${tagged.status} ${await tagged.text()}`);
}

/** A port of 127.0.0.1 that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const WAIT_MS = 10_000;
const STEP_MS = 25;

/** @throws Error with the log when nobody listens within 10 s */
export async function waitForPort(port: number, isDead: () => boolean, log: () => string): Promise<void> {
  for (let waitedMs = 0; waitedMs < WAIT_MS && !isDead(); waitedMs += STEP_MS) {
    if (await canConnect(port)) return;
    await sleep(STEP_MS);
  }
  throw new Error(`nobody listens on port ${port}: ${log()}`);
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
