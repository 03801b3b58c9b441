import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SluiceError } from '../../../src/errors.js';
import { formatReference, parseDefaultRegistry, parseReference } from '../../../src/oci/reference.js';

const D = `sha256:${'deadbeef'.repeat(8)}`;
const HEX64 = 'deadbeef'.repeat(8);
const SHA512 = `sha512:${'deadbeef'.repeat(16)}`;

/** The canonical text, or the message of the failure. */
function outcome(text: string, defaultRegistry?: string): string {
  try {
    return formatReference(parseReference(text, { defaultRegistry }));
  } catch (error) {
    assert.ok(error instanceof SluiceError);
    assert.equal(error.code, 'REFERENCE_INVALID');
    return error.message;
  }
}

/** Each text gives the canonical text, or a message that begins with the phrase after `✗`. */
function vectors(
  name: string,
  rows: readonly (readonly [text: string, expected: string, defaultRegistry?: string])[],
): void {
  for (const [text, expected, defaultRegistry] of rows)
    test(`${name}: ${JSON.stringify(text.length > 80 ? `${text.slice(0, 40)}… (${text.length})` : text)}`, () => {
      const found = outcome(text, defaultRegistry);
      if (!expected.startsWith('✗')) assert.equal(found, expected);
      else assert.ok(found.startsWith(`invalid image reference: ${expected.slice(1)}`), found);
    });
}

const unchanged = (...texts: string[]): [string, string][] => texts.map((text) => [text, text]);
const all = (expected: string, ...texts: string[]): [string, string][] => texts.map((text) => [text, expected]);

vectors('compat G1 host or path', [
  ['\t a.io/x\n', 'a.io/x:latest'],
  ['a.io/x', 'a.io/x:latest'],
  ['a:1/x', 'a:1/x:latest'],
  ['[::1]/x', '[::1]/x:latest'],
  ['localhost/x', 'localhost/x:latest'],
  ['Ab/x', 'Ab/x:latest'],
  ['ab/x', 'docker.io/ab/x:latest'],
  ['ab/x', 'ghcr.io/ab/x:latest', 'ghcr.io'],
  ['a.io/x', 'a.io/x:latest', 'ghcr.io'],
  ['localhosts/x', 'docker.io/localhosts/x:latest'],
]);

vectors('compat G2 hosts', [
  ['GHCR.io/x', 'ghcr.io/x:latest'],
  ['LOCALHOST/x', 'localhost/x:latest'],
  ['Foo:5000/x', 'foo:5000/x:latest'],
  ['Foo/x', 'Foo/x:latest'],
  ['Index.Docker.IO/x', 'docker.io/library/x:latest'],
  ['[2001:DB8::1]/x', '[2001:db8::1]/x:latest'],
  ['h:1/x', 'h:1/x:latest'],
  ['h:65535/x', 'h:65535/x:latest'],
  ...all(
    '✗invalid registry: ',
    'h:/x',
    'h:0/x',
    'h:65536/x',
    'h:000080/x',
    'h:8o/x',
    '[::1%1]/x',
    '[::ffff:1.2.3.4]/x',
    '[::ffff:102:304]/x',
    '[0:0:0:0:0:FFFF:102:304]/x',
    '[:::]/x',
    '[1:2:3]/x',
    '[::1/x',
    'a./x',
    '.a/x',
    'a-.io/x',
    'Ä.io/x',
  ),
]);

vectors('compat G3 lengths and image ids', [
  [HEX64, '✗invalid repository: '],
  [`${HEX64}:1`, `docker.io/library/${HEX64}:1`],
  [`docker.io/${HEX64}`, `docker.io/library/${HEX64}:latest`],
  [`a.io/${'a'.repeat(255)}`, `a.io/${'a'.repeat(255)}:latest`],
  [`a.io/${'a'.repeat(256)}`, '✗invalid repository: '],
  [`${'a'.repeat(247)}`, `docker.io/library/${'a'.repeat(247)}:latest`],
  [`${'a'.repeat(248)}`, '✗invalid repository: '],
]);

test('compat G4 tag and digest', () => {
  const parts = (text: string): unknown => {
    const { tag, digest } = parseReference(text);
    return { tag, digest };
  };
  assert.deepEqual(parts('a.io/x'), { tag: 'latest', digest: null });
  assert.deepEqual(parts('a.io/x:1'), { tag: '1', digest: null });
  assert.deepEqual(parts(`a.io/x@${D}`), { tag: null, digest: D });
  assert.deepEqual(parts(`a.io/x:1@${D}`), { tag: '1', digest: D });
});

const lower = fc.constantFrom(...'abz019');
const alnum = fc.string({ unit: lower, minLength: 1, maxLength: 6 });
const component = fc
  .array(fc.tuple(alnum, fc.constantFrom('.', '_', '__', '-', '---')), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.map(([word, separator], at) => (at === parts.length - 1 ? word : word + separator)).join(''));
const label = fc
  .tuple(
    fc.constantFrom(...'aZ0'),
    fc.string({ unit: fc.constantFrom(...'aZ0-'), maxLength: 5 }),
    fc.constantFrom(...'bY9'),
  )
  .map((parts) => parts.join(''));
const host = fc.oneof(
  fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.')),
  fc.tuple(label, fc.integer({ min: 1, max: 65535 })).map(([name, port]) => `${name}:${port}`),
  fc.constantFrom('localhost', 'docker.io', 'INDEX.docker.io', 'sandboxes.io', '[2001:DB8::1]:5000'),
);
const maybe = <T>(some: fc.Arbitrary<T>): fc.Arbitrary<T | ''> => fc.oneof(fc.constant('' as const), some);
const reference = fc
  .tuple(
    fc.oneof(
      fc.constantFrom('', 'team/'),
      host.map((text) => `${text}/`),
    ),
    fc.array(component, { minLength: 1, maxLength: 4 }),
    maybe(fc.string({ unit: fc.constantFrom(...'aZ0_.-'), maxLength: 20 }).map((rest) => `:_${rest}`)),
    maybe(fc.constantFrom(`@${D}`, `@${SHA512}`)),
  )
  .map(
    ([before, path, tag, digest]) => `${before}${(before === '' ? path.slice(0, 1) : path).join('/')}${tag}${digest}`,
  );

test('compat G5 parse ∘ print is the identity on canonical text', () => {
  fc.assert(
    fc.property(reference, fc.constantFrom(undefined, 'ghcr.io', 'localhost:5000', 'Reg'), (text, defaultRegistry) => {
      const canonical = outcome(text, defaultRegistry);
      assert.ok(!canonical.startsWith('invalid'), canonical);
      assert.equal(outcome(canonical), canonical);
      assert.deepEqual(parseReference(canonical), parseReference(text, { defaultRegistry }));
    }),
  );
});

test('compat G5 whatever is accepted prints as text that is accepted unchanged', () => {
  const characters = fc.string({ unit: fc.constantFrom(...'aA0.:/@-_[]% '), maxLength: 24 });
  fc.assert(
    fc.property(characters, (text) => {
      const canonical = outcome(text);
      if (!canonical.startsWith('invalid')) assert.equal(outcome(canonical), canonical);
    }),
    { numRuns: 2000 },
  );
});

test('compat G5 a reference cannot be changed', () => {
  assert.ok(Object.isFrozen(parseReference('alpine')));
});

vectors('compat G6 library/', [
  ['alpine', 'docker.io/library/alpine:latest'],
  ['docker.io/alpine', 'docker.io/library/alpine:latest'],
  ['docker.io/a/b', 'docker.io/a/b:latest'],
  ['sandboxes.io/alpine', 'sandboxes.io/library/alpine:latest'],
  ['alpine', 'sandboxes.io/library/alpine:latest', 'sandboxes.io'],
  ['alpine', 'mirror.test/alpine:latest', 'mirror.test'],
  ['quay.io/alpine', 'quay.io/alpine:latest'],
  ['docker.io:443/alpine', 'docker.io:443/alpine:latest'],
]);

vectors('compat G7 phrases', [
  [' ', '✗input string is empty'],
  ['a.io/', '✗repository is empty'],
  ['a_b.io/x', '✗invalid registry: a_b.io'],
  ['a.io/X', '✗invalid repository: X'],
  ['a.io/x:', '✗invalid tag: '],
  ['a.io/x:-', '✗invalid tag: -'],
  ['a.io/x@', '✗invalid digest: '],
  ['a.io/x@sha256:DEAD', '✗invalid digest: sha256:DEAD'],
  ['a.io/x:\u001b[2J', '✗invalid tag: \\u{1b}[2J'],
]);

test('compat G7 a refused reference is wrong usage, and names its rule', () => {
  try {
    parseReference('a.io/x:!');
    assert.fail();
  } catch (error) {
    assert.ok(error instanceof SluiceError);
    assert.equal(error.code, 'REFERENCE_INVALID');
    assert.match(error.detail.rule ?? '', /^compat G\d$/);
  }
});

vectors('compat G8 vectors of the seed that hold', [
  ...unchanged(
    'docker.io/library/alpine:3.12',
    `docker.io/myorg/myrepo:stable@${D}`,
    'docker.io/a/b/c:1.0',
    'registry.io/v2/image:tag',
    '192.168.1.1:5000/org/repo:version',
  ),
  ...all(
    'docker.io/library/alpine:latest',
    'alpine',
    ' alpine ',
    'library/alpine',
    'docker.io/alpine',
    'docker.io/library/alpine',
  ),
  ['myorg/myrepo:stable', 'docker.io/myorg/myrepo:stable'],
  ['sandboxes.io/alpine', 'sandboxes.io/library/alpine:latest'],
  ['test.com:5000', 'docker.io/library/test.com:5000'],
  ['', '✗input string is empty'],
  ...all('✗repository is empty', 'registry.example.com/:tag', ':tag'),
  ['inva!id-registry.com/library/alpine:3.12', '✗invalid registry'],
  ['docker.io/Library/alpine:3.12', '✗invalid repository'],
  ...all('✗invalid tag', 'alpine:t!ag', `alpine:${'a'.repeat(129)}`),
  [`alpine:${'a'.repeat(128)}`, `docker.io/library/alpine:${'a'.repeat(128)}`],
  ...all('✗invalid digest', 'alpine@sha256:dead', 'alpine@nocolon'),
]);

vectors('compat G9 changed on purpose', [
  ...unchanged(
    `registry.example.com/myrepo:mytag@${D}`,
    'registry.example.com:5000/myrepo:1.0',
    '192.168.1.1:5000/ubuntu:18.04',
    'ghcr.io/foo:1',
    'localhost/foo:1',
    `registry.example.com/myrepo@${D}`,
    '[2001:db8::1]:5000/repo:tag',
  ),
  [`docker.io/alpine@${D}`, `docker.io/library/alpine@${D}`],
  ['alpine', 'ghcr.io/alpine:latest', 'ghcr.io'],
  ['index.docker.io/alpine', 'docker.io/library/alpine:latest'],
  ['a__b/c--d', 'docker.io/a__b/c--d:latest'],
  ['x/a---b', 'docker.io/x/a---b:latest'],
  ['Registry.Example.COM/x', 'registry.example.com/x:latest'],
  ['Foo/bar', 'Foo/bar:latest'],
  ['alpine:tàg', '✗invalid tag'],
  ...all('✗invalid registry', '../x', 'a..b.io/x', '-a.io/x', 'foo_bar.com/x', 'h:0/x', 'h:70000/x'),
  ...all('✗invalid digest', `alpine@md5:${'a'.repeat(32)}`, `alpine@sha256+b64:${'a'.repeat(64)}`),
]);

vectors('compat G10 vectors of distribution/reference', [
  ['localhost:5000/x', 'localhost:5000/x:latest'],
  ...unchanged(
    'b.gcr.io/test.example.com/my-app:test.example.com',
    'xn--n3h.com/myimage:xn--n3h.com',
    `[::1]:5000/repo@${D}`,
    `a.io/b@${SHA512}`,
  ),
  ['localhost', 'docker.io/library/localhost:latest'],
  ['192.168.0.1', 'docker.io/library/192.168.0.1:latest'],
  ['192.168.0.1:80', 'docker.io/library/192.168.0.1:80'],
  ['lowercase:Uppercase', 'docker.io/library/lowercase:Uppercase'],
  [`docker.io/${HEX64}`, `docker.io/library/${HEX64}:latest`],
  [HEX64, '✗invalid repository'],
  [`${'a/'.repeat(127)}a`, `docker.io/${'a/'.repeat(127)}a:latest`],
  [`${'a/'.repeat(127)}aa`, '✗invalid repository'],
  ...all(
    '✗invalid repository',
    'docker///docker',
    'docker/',
    '-docker/x',
    'docker-/x',
    '____/____',
    '_docker/_docker',
    'a/dock..er',
    'a/dock_.er',
    'a/dock-.er',
    'Uppercase:tag',
    '[fc00::1]',
  ),
  ['registry.example.com/', '✗repository is empty'],
  ...all(
    '✗invalid registry',
    'https://github.com/docker/docker',
    'dock..er/x',
    'dock_.er/x',
    'dock-.er/x',
    'fc00::1:5000/debian',
    '[fe80::1%eth0]:5000/debian',
    '[2001:db8:3:4::192.0.2.33]:5000/debian',
  ),
  [`@${D}`, '✗repository is empty'],
  [`a@${D}@${D}`, '✗invalid digest'],
  ['a:b:c', '✗invalid tag'],
]);

test('compat F7 the default registry is a host that a reference would know as one', () => {
  assert.equal(parseDefaultRegistry(undefined), 'docker.io');
  assert.equal(parseDefaultRegistry(''), 'docker.io');
  assert.equal(parseDefaultRegistry('GHCR.io'), 'ghcr.io');
  assert.equal(parseDefaultRegistry('localhost'), 'localhost');
  assert.equal(parseDefaultRegistry('index.docker.io'), 'docker.io');
  assert.equal(parseDefaultRegistry('host:5000'), 'host:5000');
  for (const bad of ['registry', 'ghcr.io/org', 'https://ghcr.io', ' ghcr.io', 'h:0', 'a..b', '[fe80::1%1]'])
    assert.throws(() => parseDefaultRegistry(bad), { code: 'CONFIG_INVALID' }, bad);
  assert.throws(() => parseReference('alpine', { defaultRegistry: 'registry' }), { code: 'CONFIG_INVALID' });
});
