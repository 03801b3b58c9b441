// Bundles what is published into dist/lib: the library, the command line, and what runs in processes and threads of its
// own. Loading hundreds of small modules, most of them zod's, took longer than unpacking a small image.
import { build } from 'esbuild';
import { readFileSync, writeFileSync } from 'node:fs';

const { dependencies, optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
/** Loaded faster as one file; the others are loaded when they are needed, or bring files of their own. */
const BUNDLED = ['zod'];

const { metafile } = await build({
  entryPoints: {
    index: 'src/index.ts',
    testing: 'src/testing/index.ts',
    main: 'src/cli/main.ts',
    worker: 'workers/layer.ts',
    'bench-naive': 'bench/child/naive.ts',
    'bench-serve': 'bench/child/serve.ts',
  },
  outdir: 'dist/lib',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.18',
  external: [...Object.keys({ ...dependencies, ...optionalDependencies }), '#*'].filter(
    (name) => !BUNDLED.includes(name),
  ),
  metafile: true,
  logLevel: 'warning',
});

const packages = new Set(
  Object.keys(metafile.inputs).flatMap((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []),
);
const notices = [...packages].toSorted().map((name) => {
  const folder = `node_modules/${name}`;
  return `${name} ${JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')).version}\n\n${readFileSync(`${folder}/LICENSE`, 'utf8')}`;
});
writeFileSync('dist/lib/NOTICES', notices.join('\n----\n\n'));
