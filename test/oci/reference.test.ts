import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  formatReference,
  localName,
  parseSource,
  type LocalNameOptions,
  type OciLayoutReference,
} from '../../src/oci/reference.js';

const D = `sha256:${'deadbeef'.repeat(8)}`;

function layout(text: string): OciLayoutReference {
  const reference = parseSource(text);
  assert.ok(reference.kind === 'oci');
  return reference;
}

test('a source with docker:// or without a scheme is a reference', () => {
  for (const text of ['docker://alpine:3', ' alpine:3 ', 'docker://docker.io/library/alpine:3'])
    assert.equal(formatReference(parseSource(text)), 'docker.io/library/alpine:3', text);
  assert.equal(formatReference(parseSource('docker://a/b', { defaultRegistry: 'ghcr.io' })), 'ghcr.io/a/b:latest');
  assert.throws(() => parseSource('docker://'), { code: 'REFERENCE_INVALID', message: /input string is empty/ });
});

for (const [text, dir, tag] of [
  ['oci:/d', '/d', null],
  ['oci:d', 'd', null],
  ['oci:.', '.', null],
  ['oci:/d:1.0', '/d', '1.0'],
  ['oci:/d:docker.io/library/alpine:3.12', '/d', 'docker.io/library/alpine:3.12'],
  ['oci:/d:localhost:5000/x:1', '/d', 'localhost:5000/x:1'],
  ['oci:/d:v1.0+build@2', '/d', 'v1.0+build@2'],
  ['oci:/d:_x', '/d', '_x'],
  ['oci:/d:a---b', '/d', 'a---b'],
  ['oci:/d:', '/d', null],
  ['oci:/a:b/c', '/a', 'b/c'],
  ['oci:/a:b/c:', '/a:b/c', null],
  ['oci:/a:b//c:1', '/a:b//c', '1'],
  ['oci:/a:/b:1', '/a:/b', '1'],
  ['oci:/d:t!ag', '/d:t!ag', null],
] as const)
  test(`a layout ${text}`, () => assert.deepEqual({ ...layout(text) }, { kind: 'oci', dir, tag }));

test('a layout names a directory', () => {
  for (const text of ['oci:', 'oci::tag', 'oci:a\0b'])
    assert.throws(() => parseSource(text), { code: 'REFERENCE_INVALID' });
});

test('archives are refused with advice', () => {
  for (const text of ['oci-archive:x.tar', 'docker-archive:/x.tar:a/b'])
    assert.throws(() => parseSource(text), { code: 'REFERENCE_INVALID', message: /archives cannot be read/ });
});

test('a printed layout parses as the same layout', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'a:/.- !'), minLength: 1, maxLength: 12 }), (rest) => {
      const text = `oci:${rest}`;
      if (/^oci:\s*(?::.*)?$/.test(text)) return;
      const reference = layout(text);
      assert.deepEqual(layout(formatReference(reference)), reference);
    }),
    { numRuns: 1000 },
  );
});

const image = 'io.containerd.image.name';
const ref = 'org.opencontainers.image.ref.name';
const names: readonly [what: string, source: string, options: LocalNameOptions, expected: string][] = [
  ['the given name', 'oci:/d:1', { name: 'x:2', annotations: { [image]: 'a.io/y:3' } }, 'docker.io/library/x:2'],
  ['the given name, default registry', 'oci:/d', { name: 'x', defaultRegistry: 'ghcr.io' }, 'ghcr.io/x:latest'],
  ['the image name', 'oci:/d:1', { annotations: { [image]: 'a.io/y:3', [ref]: 'b.io/z:1' } }, 'a.io/y:3'],
  ['an image name without a host', 'oci:/d:1', { annotations: { [image]: 'y/z:3', [ref]: '1' } }, 'localhost/d:1'],
  ['an image name that is none', 'oci:/d:1', { annotations: { [image]: 'a.io/Y', [ref]: 'b.io/z:1' } }, 'b.io/z:1'],
  ['an image name with a digest', 'oci:/d:1', { annotations: { [image]: `a.io/y@${D}` } }, 'localhost/d:1'],
  ['a ref name with a slash', 'oci:/d', { annotations: { [ref]: 'library/alpine:3' } }, 'docker.io/library/alpine:3'],
  ['a tag with a slash', 'oci:/d:b.io/z:1', {}, 'b.io/z:1'],
  [
    'a ref name with a digest',
    'oci:/d',
    { annotations: { [ref]: `b.io/z@${D}` } },
    `localhost/d:b.io-z-sha256-${D.slice(7)}`,
  ],
  ['a ref name alone', 'oci:/d', { annotations: { [ref]: '3.12' } }, 'localhost/d:3.12'],
  ['a ref name that is no tag', 'oci:/d', { annotations: { [ref]: 'v1+b@c' } }, 'localhost/d:v1-b-c'],
  ['nothing', 'oci:/a/My Image_1..tar/', {}, 'localhost/my-image-1-tar:latest'],
  ['a directory without any letter', 'oci:/a/ÄÖ', {}, 'localhost/image:latest'],
  ['the root', 'oci:/', {}, 'localhost/image:latest'],
  ['a long directory', `oci:/${'a'.repeat(127)}.${'b'.repeat(100)}`, {}, `localhost/${'a'.repeat(127)}:latest`],
];
for (const [what, source, options, expected] of names)
  test(`an image from a layout is recorded by ${what}`, () =>
    assert.equal(formatReference(localName(layout(source), options)), expected));

test('a given name is a reference without a digest', () => {
  assert.throws(() => localName(layout('oci:/d'), { name: 'X' }), { code: 'REFERENCE_INVALID' });
  assert.throws(() => localName(layout('oci:/d'), { name: `x@${D}` }), { code: 'REFERENCE_INVALID' });
});

test('whatever a layout says of itself gives a name', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), (imageName, refName) => {
      const name = formatReference(
        localName(layout('oci:/d'), { annotations: { [image]: imageName, [ref]: refName } }),
      );
      assert.equal(formatReference(parseSource(name)), name);
    }),
  );
});
