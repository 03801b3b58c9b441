import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../..');

/**
 * Who may import whom: a module is the longest key that starts its path, and may import what starts with one of its values,
 * and its own folder. Values are paths below the project's root, without their ending.
 */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'src/cli/bench': ['src/index', 'bench/own-image'],
  'src/cli/main': ['src/version'],
  'src/cli/program': ['src/version'],
  'src/cli/': ['src/index'],
  'src/index': ['src/'],
  'src/sluice': [
    'src/native',
    'src/pull',
    'src/upkeep/',
    'src/rootfs/',
    'src/prepare',
    'src/flights',
    'src/options',
    'src/errors',
    'src/events',
    'src/oci/',
    'src/source/',
    'src/transfer/',
    'src/store/',
  ],
  'src/pull': [
    'src/prepare',
    'src/spans',
    'src/rootfs/',
    'src/options',
    'src/errors',
    'src/events',
    'src/oci/',
    'src/source/',
    'src/transfer/',
    'src/store/',
  ],
  'src/upkeep/': [
    'src/pull',
    'src/prepare',
    'src/rootfs/',
    'src/options',
    'src/errors',
    'src/events',
    'src/oci/',
    'src/source/',
    'src/transfer/',
    'src/store/',
  ],
  'src/prepare': [
    'src/flights',
    'src/options',
    'src/errors',
    'src/events',
    'src/oci/',
    'src/source/',
    'src/transfer/',
    'src/store/',
  ],
  'src/login': ['src/source/registry/login'],
  'src/doctor': ['src/native', 'src/errors', 'src/layer/inflate/', 'src/store/'],
  'src/validate': [],
  'src/options': [
    'src/validate',
    'src/errors',
    'src/events',
    'src/oci/',
    'src/transfer/protocol',
    'src/source/registry/credentials/credential',
    'src/source/registry/credentials/parse-credentials',
  ],
  'src/flights': ['src/errors', 'src/events', 'src/transfer/protocol'],
  'src/events': ['src/errors', 'src/spans'],
  'src/spans': [],
  'src/errors': [],
  'src/native': ['src/errors'],
  'src/oci/manifest': ['src/validate', 'src/errors'],
  'src/oci/': ['src/errors'],
  'src/version': [],
  'src/source/registry/user-agent': ['src/version'],
  'src/source/registry/free-soon': ['src/native'],
  'src/source/': ['src/errors', 'src/events', 'src/oci/'],
  'src/transfer/transfer': [
    'src/spans',
    'src/errors',
    'src/events',
    'src/flights',
    'src/options',
    'src/oci/',
    'src/source/source',
    'src/store/types',
  ],
  'src/transfer/feed': ['src/source/source'],
  'src/transfer/': ['src/errors', 'src/events', 'src/spans'],
  'src/rootfs/complete-image': ['src/errors', 'src/events', 'src/oci/', 'src/store/', 'src/transfer/'],
  'src/rootfs/compose-image': ['src/errors', 'src/events', 'src/oci/', 'src/store/', 'src/transfer/'],
  'src/rootfs/engine': ['src/errors', 'src/events', 'src/oci/', 'src/store/', 'src/transfer/'],
  'src/rootfs/export-image': ['src/errors', 'src/events', 'src/oci/', 'src/store/', 'src/transfer/'],
  'src/rootfs/make-rootfs': ['src/errors', 'src/events', 'src/oci/', 'src/store/', 'src/transfer/'],
  'src/rootfs/read-sidecar': ['src/errors', 'src/oci/', 'src/store/'],
  'src/rootfs/': [
    'src/layer/',
    'src/transfer/rootfs-tasks',
    'src/transfer/usage',
    'src/transfer/control',
    'src/oci/',
    'src/errors',
    'src/native',
  ],
  'src/layer/run-task': ['src/rootfs/', 'src/store/check/', 'src/transfer/protocol', 'src/errors', 'src/native'],
  'src/layer/': [
    'src/transfer/ring',
    'src/transfer/control',
    'src/transfer/protocol',
    'src/transfer/usage',
    'src/transfer/slabs',
    'src/transfer/hashed-slots',
    'src/transfer/packed-chunks',
    'src/spans',
    'src/transfer/sync-group',
    'src/oci/',
    'src/errors',
    'src/events',
    'src/native',
  ],
  'src/store/check/': [
    'src/rootfs/real-tree',
    'src/rootfs/sidecar-file',
    'src/layer/path',
    'src/layer/xattr-policy',
    'src/transfer/check-task',
    'src/transfer/rootfs-tasks',
    'src/transfer/control',
    'src/oci/',
    'src/errors',
    'src/native',
  ],
  'src/store/lock': ['src/errors', 'src/oci/', 'src/native'],
  'src/store/probe': ['src/errors', 'src/native'],
  'src/store/': ['src/errors', 'src/events', 'src/oci/', 'src/transfer/protocol'],
  'src/testing/': ['src/oci/'],
  'workers/': ['src/layer/'],
  'bench/child/': [
    'src/layer/',
    'src/transfer/ring',
    'src/native',
    'src/oci/',
    'src/store/index/database',
    'src/testing/index',
    'src/index',
    'bench/corpus/layout',
  ],
  'bench/contenders/': ['src/index', 'bench/'],
  'bench/corpus/': ['src/testing/index', 'bench/measure/programs'],
  'bench/measure/': ['src/index', 'bench/'],
  'bench/tree/': ['src/native'],
  'bench/report/': ['bench/record'],
  'bench/page/': ['bench/report/'],
  'bench/own-image': ['src/index', 'bench/'],
  'bench/': ['src/index', 'src/testing/index', 'bench/'],
};

/** Each costly dependency is imported by its owner alone. */
const OWNERS: Readonly<Record<string, string>> = {
  undici: 'src/source/registry/client.ts',
  piscina: 'src/transfer/pool.ts',
  sqlite3: 'src/store/index/database.ts',
  pako: 'src/layer/inflate/pako.ts',
  'zstd-napi': 'src/layer/inflate/zstd.ts',
  'tar-fs': 'src/testing/pack-directory.ts',
  'xattr-native': 'src/native.ts',
};

/** zod stands at the boundaries alone, never on the way of the bytes. */
const ZOD_USERS =
  /^src\/(options|validate|oci\/manifest|source\/registry\/(token|credentials\/(parse-credentials|config-file|helper)))\.ts$/;

/** Files of `rootfs/` that run on the main thread. */
const MAIN_SIDE: ReadonlySet<string> = new Set(
  ['complete-image', 'compose-image', 'engine', 'export-image', 'make-rootfs', 'pack', 'read-sidecar'].map(
    (name) => `src/rootfs/${name}.ts`,
  ),
);

interface Import {
  readonly from: string;
  readonly to: string;
}

const files = ['src', 'workers', 'bench'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => join(folder, path)),
);
/** What the product is made of; the bench may use what it measures, print and exit. */
const isProduct = (path: string): boolean => !path.startsWith('bench/');
const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');

const imports: readonly Import[] = files.flatMap((from) =>
  [...textOf(from).matchAll(/(?:from|import\()\s*'([^']+)'|createRequire\(import\.meta\.url\)\('([^']+)'\)/g)].map(
    (match) => {
      const name = (match[1] ?? match[2])!;
      const to = name.startsWith('.') ? normalize(join(dirname(from), name)).replace(/\.js$/, '.ts') : name;
      return { from, to };
    },
  ),
);

const ruleFor = (path: string): string | undefined =>
  Object.keys(ALLOWED)
    .filter((key) => (key.endsWith('/') ? path.startsWith(key) : path === `${key}.ts`))
    .toSorted((a, b) => b.length - a.length)[0];

function isAllowed({ from, to }: Import): boolean {
  const rule = ruleFor(from);
  assert.ok(rule, `${from} has no place in the table`);
  const folder = from.split('/').slice(0, 2).join('/');
  if (from.split('/').length > 2 && to.startsWith(`${folder}/`)) return true;
  return ALLOWED[rule]!.some((prefix) => (prefix.endsWith('/') ? to.startsWith(prefix) : to === `${prefix}.ts`));
}

test('imports go in the allowed directions alone', () => {
  const local = imports.filter(({ to }) => to.endsWith('.ts'));
  assert.ok(local.length > 100, 'the imports are read');
  assert.deepEqual(
    local.filter((one) => !isAllowed(one)).map(({ from, to }) => `${from} → ${to}`),
    [],
  );
});

test('each costly dependency has one owner', () => {
  for (const [name, owner] of Object.entries(OWNERS)) {
    const users = imports
      .filter(({ from, to }) => (to === name || to.startsWith(`${name}/`)) && isProduct(from))
      .map(({ from }) => from);
    assert.deepEqual([...new Set(users)], [owner], name);
  }
  const zod = imports.filter(({ from, to }) => to.startsWith('zod') && !ZOD_USERS.test(from)).map(({ from }) => from);
  assert.deepEqual(zod, []);
});

test('the worker side is synchronous', () => {
  const workerSide = files.filter(
    (path) => /^(src\/layer|src\/rootfs|src\/store\/check|workers)\//.test(path) && !MAIN_SIDE.has(path),
  );
  assert.ok(workerSide.length > 15);
  const isAsync = (path: string): boolean => /\b(async|await|Promise|setTimeout|setImmediate)\b/.test(codeOf(path));
  assert.deepEqual(workerSide.filter(isAsync), []);
});

test('entry files of workers hold no logic', () => {
  for (const path of files.filter((name) => name.startsWith('workers/'))) {
    assert.ok(textOf(path).split('\n').length <= 30, path);
  }
});

test('only the command line’s main file ends the process, and only the command line prints', () => {
  const exits = files.filter(isProduct).filter((path) => /process\.exit\(/.test(codeOf(path)));
  assert.deepEqual(
    exits.filter((path) => path !== 'src/cli/main.ts'),
    [],
  );
  const prints = files
    .filter(isProduct)
    .filter((path) => /console\.|process\.(stdout|stderr)\.write/.test(codeOf(path)));
  assert.deepEqual(
    prints.filter((path) => !path.startsWith('src/cli/')),
    [],
  );
});

/** A file's text without its comments. */
function codeOf(path: string): string {
  return textOf(path).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
}
