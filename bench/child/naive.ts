/**
 * The way without Sluice: streams from a file or a registry through zlib into tar-fs, all layers at once.
 *   naive.js files BLOB DIR [BLOB DIR]...      naive.js registry OUT http|https REFERENCE
 */
import { createReadStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract, type ExtractOptions } from 'tar-fs';
import { request, type Dispatcher } from 'undici';

const MANIFESTS = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

/** tar-fs refuses absolute symlinks otherwise, and with them nearly every image. */
const OPTIONS: ExtractOptions & { readonly validateSymlinks: boolean } = { validateSymlinks: false };

async function unpack(blob: Readable, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await pipeline(blob, createGunzip(), extract(directory, OPTIONS));
}

async function unpackFiles(words: readonly string[]): Promise<void> {
  const pairs = words.flatMap((word, at) => (at % 2 === 0 ? [[word, words[at + 1]!] as const] : []));
  await Promise.all(pairs.map(([blob, directory]) => unpack(createReadStream(blob), directory)));
}

async function unpackImage(out: string, scheme: string, reference: string): Promise<void> {
  const [, host, name, tag] = /^([^/]+)\/(.+):([^:]+)$/.exec(reference) ?? [];
  const base = `${scheme}://${host}/v2/${name}`;
  const reply = await ask(`${base}/manifests/${tag}`, { accept: MANIFESTS });
  const { layers } = (await reply.json()) as { layers: { digest: string }[] };
  await Promise.all(
    layers.map(async ({ digest }, index) => unpack(await ask(`${base}/blobs/${digest}`), join(out, String(index)))),
  );
}

async function ask(url: string, headers: Record<string, string> = {}): Promise<Dispatcher.ResponseData['body']> {
  const { statusCode, body } = await request(url, { headers });
  if (statusCode !== 200) throw new Error(`${url} answered ${statusCode}`);
  return body;
}

const [mode, ...words] = process.argv.slice(2);
if (mode === 'files') await unpackFiles(words);
else await unpackImage(words[0]!, words[1]!, words[2]!);
