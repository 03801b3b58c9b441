import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { buildImage, packDirectory, startRegistry, type LayerInput, type TestImage } from '../src/testing/index.js';

const MiB = 1024 * 1024;
const ROOT = '/usr';
/** What of it becomes the layers of the sample, bottom to top. */
const LAYERS: readonly { readonly paths: readonly string[]; readonly maxBytes: number }[] = [
  { paths: ['bin', 'sbin'], maxBytes: 32 * MiB },
  { paths: ['lib'], maxBytes: 56 * MiB },
  { paths: ['share/doc', 'share/zoneinfo', 'local/share'], maxBytes: 12 * MiB },
];
const CLI = fileURLToPath(import.meta.resolve('#cli'));

/**
 * Makes an image of files of this machine, serves it from an embedded registry, and pulls it with the command line.
 * Needs no network and no root; everything lies in a temporary directory.
 */
async function demo(signal: AbortSignal): Promise<number> {
  const home = await mkdtemp(join(tmpdir(), 'sluice-demo-'));
  try {
    console.log('Packing some files of this machine into an image of three layers …');
    const image = await packImage(signal);
    signal.throwIfAborted();
    await using registry = await startRegistry();
    const reference = registry.push('demo/sample', 'latest', image);
    for (const words of [['pull', '--plain-http', reference], ['ls'], ['layers', reference]]) {
      console.log(`\n$ sluice ${words.join(' ')}`);
      const status = await runSluice([...words, '--home', home]);
      signal.throwIfAborted();
      if (status !== 0) return status;
    }
    return 0;
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function packImage(signal: AbortSignal): Promise<TestImage> {
  const layers: LayerInput[] = [];
  for (const part of LAYERS) {
    signal.throwIfAborted();
    const tar = await packDirectory({ root: ROOT, ...part });
    layers.push({ tar, blob: gzipSync(tar, { level: 1 }) });
  }
  return buildImage({ layers, platform: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}` });
}

/** @returns the exit status; Ctrl-C reaches the child from the terminal itself */
async function runSluice(words: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [CLI, ...words], { stdio: 'inherit' });
  const [status] = (await once(child, 'exit')) as [number | null];
  return status ?? 1;
}

const interrupt = new AbortController();
process.on('SIGINT', () => interrupt.abort()).on('SIGTERM', () => interrupt.abort());
try {
  process.exitCode = await demo(interrupt.signal);
} catch (error) {
  if (!interrupt.signal.aborted) throw error;
  process.exitCode = 130;
}
