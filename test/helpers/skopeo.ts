import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isolatedEnvironment } from './temporary.js';

const run = promisify(execFile);

/** Runs skopeo with an environment and a signature policy of its own. */
export interface Skopeo {
  /**
   * Copies between two places skopeo knows, e.g. `oci:DIR:TAG` and `docker://HOST/NAME:TAG`, without TLS.
   * @param options more arguments of `skopeo copy`, e.g. `--all`, `--format=v2s2`
   */
  copy(from: string, to: string, ...options: readonly string[]): Promise<void>;
  /** The manifest or image index as it is stored. */
  inspectRaw(place: string): Promise<Buffer>;
  /** Name, digest, layers and so on of the image. */
  inspect(place: string): Promise<Record<string, unknown>>;
  /** Tags of `docker://HOST/NAME`. */
  listTags(place: string): Promise<readonly string[]>;
  /** Any command of skopeo; its standard output. */
  run(...words: readonly string[]): Promise<string>;
}

/** @param home a temporary directory; skopeo sees no other configuration */
export function createSkopeo(home: string): Skopeo {
  const policy = join(home, 'skopeo-policy.json');
  const registriesDirectory = join(home, 'skopeo-registries.d');
  mkdirSync(registriesDirectory, { recursive: true });
  writeFileSync(policy, '{"default":[{"type":"insecureAcceptAnything"}]}');
  const env = isolatedEnvironment(home, { XDG_RUNTIME_DIR: home, TMPDIR: home });
  const global = [`--policy=${policy}`, `--registries.d=${registriesDirectory}`];
  const call = async (words: readonly string[]): Promise<string> =>
    (await run('skopeo', [...global, ...words], { env, maxBuffer: 64 * 1024 * 1024 })).stdout;
  return {
    copy: async (from, to, ...options) => {
      await call(['copy', '--quiet', '--src-tls-verify=false', '--dest-tls-verify=false', ...options, from, to]);
    },
    inspectRaw: async (place) => Buffer.from(await call(['inspect', '--raw', '--tls-verify=false', place])),
    inspect: async (place) =>
      JSON.parse(await call(['inspect', '--tls-verify=false', place])) as Record<string, unknown>,
    listTags: async (place) => {
      const { Tags } = JSON.parse(await call(['list-tags', '--tls-verify=false', place])) as { Tags: string[] };
      return Tags;
    },
    run: (...words) => call(words),
  };
}
