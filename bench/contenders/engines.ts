import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Packing } from '../corpus/layout.js';
import { missingProgram, type Contender, type Work } from './contender.js';

const ALL: readonly Packing[] = ['gzip', 'zstd', 'none'];

/** umoci, from an OCI layout. It composes: one root file system an image. */
export const UMOCI: Contender = {
  id: 'umoci',
  title: 'umoci',
  isOurs: false,
  packings: ['gzip', 'none'],
  missing: () => missingProgram('bash', 'umoci'),
  command: ({ out, layout, images }) => ({
    argv: ['bash', '-c', unpackEach('$layout'), 'umoci', out, layout, ...images.map(({ tag }) => tag)],
  }),
  trees: async (work) => rootsOf(work, work.images.length),
};

/** skopeo into an OCI layout, then umoci. */
export const SKOPEO_UMOCI: Contender = {
  id: 'skopeo-umoci',
  title: 'skopeo + umoci',
  isOurs: false,
  packings: ['gzip', 'none'],
  missing: () => missingProgram('bash', 'skopeo', 'umoci'),
  command: (work) => {
    const copy = `skopeo --policy "$out/policy.json" copy --quiet --src-tls-verify=${!work.isPlainHttp} "docker://$image" "oci:$out/layout:latest"`;
    const script = unpackEach('$out/layout', copy);
    return { argv: ['bash', '-c', script, 'skopeo', withPolicy(work.out), '', ...work.references] };
  },
  trees: async (work) => rootsOf(work, work.references.length),
};

/** buildah into its own store, with the driver that it takes by default. */
export const BUILDAH: Contender = {
  id: 'buildah',
  title: 'buildah pull',
  isOurs: false,
  packings: ALL,
  missing: ({ isRoot }) => (isRoot ? missingProgram('buildah') : 'needs root for its overlay store'),
  command: (work) => ({
    argv: [
      'buildah',
      `--root=${join(work.out, 'store')}`,
      `--runroot=${join(work.out, 'run')}`,
      '--storage-driver=overlay',
      'pull',
      '--quiet',
      '--policy=missing',
      `--signature-policy=${join(withPolicy(work.out), 'policy.json')}`,
      `--tls-verify=${!work.isPlainHttp}`,
      ...work.references,
    ],
  }),
  trees: async ({ out }) => [overlayLayers(join(out, 'store/overlay'))],
};

/** `$1` is the folder, `$2` the layout; then names of images. @param before what brings an image into the layout */
function unpackEach(layout: string, before = ':'): string {
  const tag = before === ':' ? '$image' : 'latest';
  return `
set -euo pipefail
out=$1 layout=$2; shift 2
number=0
for image; do
  number=$((number + 1))
  ${before}
  umoci raw unpack --image "${layout}:${tag}" "$out/$number" >/dev/null
done`;
}

function rootsOf({ out }: Work, count: number): string[][] {
  return Array.from({ length: count }, (_, index) => [join(out, String(index + 1))]);
}

/** Signatures are no part of what is measured. */
function withPolicy(out: string): string {
  writeFileSync(join(out, 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}');
  return out;
}

/** Layers of containers/storage's overlay driver: each has a file that names those below it. */
function overlayLayers(store: string): string[] {
  const ids = readdirSync(store).filter((name) => name !== 'l' && !name.includes('.') && name.length === 64);
  const depthOf = (id: string): number => {
    const names = readdirSync(join(store, id));
    return names.includes('lower') ? readFileSync(join(store, id, 'lower'), 'utf8').split(':').length : 0;
  };
  return ids.toSorted((a, b) => depthOf(a) - depthOf(b)).map((id) => join(store, id, 'diff'));
}
