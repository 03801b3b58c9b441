// Bundles what is published into dist/lib: the library, the command line, and what runs in processes and threads of its
// own. Loading hundreds of small modules, most of them zod's, took longer than unpacking a small image.
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

const { dependencies, optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
/** Loaded faster as one file; the others are loaded when they are needed, or bring files of their own. */
const BUNDLED = ['commander', 'undici', 'zod'];

const external = [...Object.keys({ ...dependencies, ...optionalDependencies }), '#*'].filter(
  (name) => !BUNDLED.includes(name),
);
const options = {
  outdir: 'dist/lib',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.18',
  external,
  metafile: true,
  logLevel: 'warning',
};
const partsOfUndici = {
  name: 'parts of undici',
  setup: ({ onResolve }) => onResolve({ filter: /^undici$/ }, () => ({ path: resolve('bundle-undici.js') })),
};
/** Piscina's threads start with a file of its own, which it looks for beside itself. */
const PISCINA_WORKER = 'piscina-worker';
const piscinaInside = {
  name: "piscina's worker",
  setup: ({ onLoad }) =>
    onLoad({ filter: /\/piscina\/dist\/index\.js$/ }, ({ path }) => {
      const parts = readFileSync(path, 'utf8').split("__dirname, 'worker.js'");
      if (parts.length !== 2) throw new Error(`${path} does not name its worker as it did`);
      return { contents: parts.join(`__dirname, '${PISCINA_WORKER}.cjs'`) };
    }),
};
/** For import. undici is CommonJS: what it requires are Node's own modules. */
const library = {
  ...options,
  splitting: true,
  plugins: [partsOfUndici],
  banner: {
    js: "import { createRequire as requireIn } from 'node:module'; const require = requireIn(import.meta.url);",
  },
};
/** Each of these is a program or a thread of its own: one CommonJS file starts sooner than modules do. */
const program = {
  ...options,
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  supported: { 'dynamic-import': false },
  inject: ['bundle-urls.js'],
  define: { 'import.meta.url': 'bundleUrl', 'import.meta.resolve': 'resolveInBundle' },
};
const bundles = await Promise.all([
  build({ ...library, entryPoints: { index: 'src/index.ts', testing: 'src/testing/index.ts' } }),
  build({
    ...program,
    external: [...external.filter((name) => name !== 'piscina'), '@napi-rs/nice'],
    plugins: [partsOfUndici, piscinaInside],
    entryPoints: { program: 'src/cli/program.ts', [PISCINA_WORKER]: 'node_modules/piscina/dist/worker.js' },
  }),
  build({
    ...program,
    external: [...external, 'undici'],
    entryPoints: { main: 'src/cli/main.ts', worker: 'workers/layer.ts' },
  }),
  build({
    ...options,
    external: [...external, 'undici'],
    entryPoints: { 'bench-naive': 'bench/child/naive.ts', 'bench-serve': 'bench/child/serve.ts' },
  }),
]);

// By this line code-cache.js and src/cli/code-cache.ts tell one build's bundle from another's.
const PROGRAM = 'dist/lib/program.cjs';
const text = readFileSync(PROGRAM, 'utf8');
writeFileSync(PROGRAM, `/* ${createHash('sha256').update(text).digest('hex')} */\n${text}`);

const made = new Set(bundles.flatMap(({ metafile }) => Object.keys(metafile.outputs)));
for (const path of readdirSync('dist/lib').map((name) => `dist/lib/${name}`)) if (!made.has(path)) rmSync(path);

const packages = new Set(
  bundles
    .flatMap(({ metafile }) => Object.keys(metafile.inputs))
    .flatMap((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []),
);
const notices = [...packages].toSorted().map((name) => {
  const folder = `node_modules/${name}`;
  return `${name} ${JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')).version}\n\n${readFileSync(`${folder}/LICENSE`, 'utf8')}`;
});
writeFileSync('dist/lib/NOTICES', notices.join('\n----\n\n'));
