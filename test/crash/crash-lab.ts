import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { Sluice } from '../../src/index.js';
import { buildImage, parseLayer, startRegistry, type TestImage, type TestRegistry } from '../../src/testing/index.js';
import { filesIn } from '../helpers/sluice.js';
import { isolateEnvironment, isolatedEnvironment, temporaryDirectory, type Cleanup } from '../helpers/temporary.js';
import { sql } from '../store/fixtures.js';

const SCRIPT = fileURLToPath(new URL('./working-process.js', import.meta.url));
const FAULTS = new URL('./faults.js', import.meta.url).href;

/** Layers with implied directories of lower ones, links, markers and enough files for several batches. */
const IMAGE = buildImage({
  layers: [
    `dir d 0711 7:7\n${Array.from({ length: 300 }, (_, i) => `file d/${i} "${i}"`).join('\n')}\nlink hard -> d/1`,
    'file d/e/f "x"\nwh d/2\nsym s -> d',
    'file d/e/g "y"\nopq o\nchar c 0666 0:0 1,3',
  ].map((layer) => ({ tar: parseLayer(layer) })),
});

export type Action = 'pull' | 'prune' | 'repair';

export interface CrashLab {
  readonly registry: TestRegistry;
  readonly reference: string;
  readonly image: TestImage;
  /** A copy of the home that all runs of an action begin with. */
  begin(action: Action): string;
  /** Runs an action in a process of its own. @returns what it printed; empty for one that was killed */
  run(
    home: string,
    action: Action,
    environment?: Readonly<Record<string, string>>,
    reference?: string,
  ): Promise<string>;
  /** Kills the same process after a time. */
  runUntil(home: string, action: Action, afterMs: number): Promise<string>;
  /** Opens the home again and asserts that what is visible is whole, that nothing is left over, and that a pull serves. */
  assertWhole(home: string, action: Action): Promise<void>;
}

export async function openCrashLab(t: Cleanup): Promise<CrashLab> {
  const environment = isolateEnvironment(t);
  const registry = await startRegistry();
  t.after(() => void registry.close());
  const reference = registry.push('app', '1', IMAGE);
  const folder = temporaryDirectory(t, 'sluice-crash');
  const plainHttp = [registry.host];
  let homes = 0;

  const pulled = async (name: string, statFormat: 'containers' | 'libkrun'): Promise<string> => {
    const home = join(folder, name);
    await using sluice = await Sluice.open({ home });
    await sluice.pull(reference, { plainHttp, platform: 'any', statFormat });
    return home;
  };
  // In another form, so that each layer is replaced; damaged, so that each is repaired.
  const [other, clean] = [await pulled('other', 'libkrun'), await pulled('clean', 'containers')];
  const sidecarsOf = (home: string): readonly (readonly [string, string])[] =>
    filesIn(home, 'layers')
      .filter((name) => name.endsWith('.mtree'))
      .map((name) => [name, readFileSync(join(home, 'layers', name), 'latin1')] as const);
  const expected = sidecarsOf(clean);
  const damaged = join(folder, 'damaged');
  execFileSync('cp', ['-a', clean, damaged]);
  for (const [name] of expected)
    writeFileSync(join(damaged, 'layers', name.replace(/mtree$/, 'extracted'), 'extra'), '');

  const start = (
    home: string,
    action: Action,
    name: string,
    more: Readonly<Record<string, string>>,
    words: readonly string[],
  ) =>
    spawn(process.execPath, [...words, SCRIPT, home, action, name, registry.host], {
      env: isolatedEnvironment(environment, { FAULT_HOME: home, ...more }),
      stdio: ['ignore', 'pipe', 'inherit'],
    });

  return {
    registry,
    reference,
    image: IMAGE,
    begin: (action) => {
      const home = join(folder, `home-${homes++}`);
      execFileSync('cp', ['-a', { pull: other, prune: clean, repair: damaged }[action], home]);
      return home;
    },
    run: async (home, action, more = {}, name = reference) => {
      const child = start(home, action, name, more, ['--import', FAULTS]);
      const [printed] = await Promise.all([text(child.stdout), once(child, 'close')]);
      return printed;
    },
    runUntil: async (home, action, afterMs) => {
      const child = start(home, action, reference, {}, []);
      const timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
      const [printed] = await Promise.all([text(child.stdout), once(child, 'close')]);
      clearTimeout(timer);
      return printed;
    },
    assertWhole: async (home, action) => {
      const sluice = await Sluice.open({ home });
      try {
        assert.deepEqual(sluice.notices, []);
        const { problems } = await sluice.verify();
        // What is visible is whole; a home that began damaged may still be so where no repair came.
        const half = problems.filter(({ found, message }) =>
          found ? action !== 'repair' : message !== 'it is missing',
        );
        assert.deepEqual(half, []);
        if (problems.length > 0) await sluice.verify({ repair: true, plainHttp: true });
        const image = await sluice.pull(reference, { plainHttp, platform: 'any', policy: 'always' });
        assert.equal(image.layers.length, 3);
        assert.deepEqual((await sluice.verify()).problems, []);
        assert.deepEqual(await sql(home, 'PRAGMA integrity_check'), [{ integrity_check: 'ok' }]);
        assert.deepEqual(await sql(home, 'PRAGMA foreign_key_check'), []);
      } finally {
        await sluice.close();
      }
      assert.deepEqual(sidecarsOf(home), expected, 'the same as a pull that nothing came between');
      assert.deepEqual([filesIn(home, 'staging'), filesIn(home, 'trash')], [[], ['foreign']]);
      assert.deepEqual(filesIn(home, 'trash', 'foreign'), [], 'what Sluice made is none of others');
      assert.ok(existsSync(join(home, 'oci.db')));
    },
  };
}
