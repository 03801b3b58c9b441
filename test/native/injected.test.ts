/** What the writer makes of system calls that fail, as strace lets them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { needs } from '../helpers/needs.js';
import { temporaryDirectory } from '../helpers/temporary.js';

const skip = needs('strace');
const SCRIPT = pathToFileURL(join(import.meta.dirname, 'script.js')).href;

interface Injected {
  /** What the commands came to. */
  readonly outcome: unknown;
  /** Lines of the calls that were traced. */
  readonly calls: readonly string[];
}

/** Runs code in a process of its own, where `tree` is a writer's tree; its value comes back. @param options of strace */
function runInjected(t: TestContext, code: string, ...options: readonly string[]): Injected {
  const folder = temporaryDirectory(t);
  const log = join(folder, 'log');
  const program = `
    import { FLAG, KIND, OP, script, Tree, XATTR } from ${JSON.stringify(SCRIPT)};
    const tree = new Tree({ after: () => {} }, { folder: ${JSON.stringify(folder)} });
    console.log(JSON.stringify((() => { ${code} })()));`;
  const words = ['-f', '-qq', '-o', log, ...options, process.execPath, '--input-type=module', '-e', program];
  // `npm run test:sanitize`: LeakSanitizer gives up in a process that is traced.
  const env = { ...process.env, ASAN_OPTIONS: `${process.env['ASAN_OPTIONS'] ?? ''}:detect_leaks=0` };
  const output = execFileSync('strace', words, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'inherit'] });
  const calls = readFileSync(log, 'latin1').split('\n').slice(0, -1);
  return { outcome: JSON.parse(output), calls };
}

for (const [errno, count] of [
  ['EAGAIN', 1 + 32],
  ['ENOSYS', 1],
  ['EPERM', 1],
] as const) {
  test(
    `extraction N8 openat2 that fails with ${errno} ${count === 1 ? 'is called once' : 'is called again 32 times'}, then the way is walked`,
    { skip },
    (t) => {
      const { outcome, calls } = runInjected(
        t,
        `tree.run(script().dir('a').dir('a/b').symlink('l', '/a').file('l/b/f', 'x'));
       return tree.read('a/b/f');`,
        '-e',
        'trace=openat2',
        '-e',
        `inject=openat2:error=${errno}`,
      );
      assert.equal(outcome, 'x');
      assert.equal(calls.filter((call) => call.includes('openat2(')).length, count);
      assert.ok(calls.every((call) => !call.includes('openat2(') || /O_RDONLY\|O_CLOEXEC\|O_DIRECTORY/.test(call)));
      assert.ok(calls.every((call) => !call.includes('openat2(') || call.includes('RESOLVE_IN_ROOT')));
    },
  );
}

/** A file with an attribute of its image: the first call sets our own value, the second one the image's. */
const FILE_WITH_XATTR = `
  const { done, status, errno, xattrsKept } = tree.attempt(script().file('f', 'x', { xattrs: [[XATTR.SET, 'user.a', 'v']] }));
  return [done, status, errno ?? '', xattrsKept];`;

const NO_ROOM = `poke_exit=@arg2=${'00'.repeat(40)}`;

for (const [when, errno, more, expected] of [
  [2, 'EOPNOTSUPP', '', [1, 0, '', 1]],
  [2, 'EPERM', '', [1, 0, '', 1]],
  [2, 'E2BIG', '', [1, 0, '', 1]],
  [2, 'ERANGE', '', [1, 0, '', 1]],
  [2, 'ENOSPC', '', [1, 0, '', 1]],
  [2, 'ENOSPC', `inject=fstatfs:${NO_ROOM}`, [0, 2, 'ENOSPC', 0]],
  [2, 'EDQUOT', '', [0, 2, 'EDQUOT', 0]],
  [2, 'EIO', '', [0, 2, 'EIO', 0]],
  [1, 'ENOSPC', '', [0, 2, 'ENOSPC', 0]],
  [1, 'EPERM', '', [0, 2, 'EPERM', 0]],
] as const) {
  const what = when === 1 ? 'override_stat' : 'an attribute of the image';
  const how = `${errno}${more && ' on a full disk'}`;
  test(`extraction M16 ${what} that fails with ${how}: ${expected[1] === 0 ? 'kept' : 'fatal'}`, { skip }, (t) => {
    const { outcome } = runInjected(
      t,
      FILE_WITH_XATTR,
      '-e',
      'trace=fsetxattr,fstatfs',
      '-e',
      `inject=fsetxattr:error=${errno}:when=${when}`,
      ...(more ? ['-e', more] : []),
    );
    assert.deepEqual(outcome, expected);
  });
}
