import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { digestOf } from '../../src/oci/digest.js';
import {
  formatSidecarHead,
  parseSidecarHead,
  SIDECAR_HEAD_BYTES,
  type SidecarHead,
} from '../../src/oci/sidecar-head.js';

const digest = fc
  .tuple(fc.constantFrom('sha256' as const, 'sha384' as const, 'sha512' as const), fc.uint8Array())
  .map(([algorithm, bytes]) => digestOf(bytes, algorithm));
const count = fc.maxSafeNat();
const head: fc.Arbitrary<SidecarHead> = fc.record(
  {
    digest,
    diffId: digest,
    stat: fc.constantFrom('containers' as const, 'libkrun' as const, 'sidecar' as const),
    packedBytes: count,
    unpackedBytes: count,
    entries: count,
    composeRequired: fc.boolean(),
  },
  { noNullPrototype: true },
);

test('extraction §13 what is formatted is what is parsed, whatever follows it', () => {
  fc.assert(
    fc.property(head, fc.uint8Array(), (value, rest) => {
      const lines = formatSidecarHead(value);
      assert.ok(lines.length <= SIDECAR_HEAD_BYTES);
      assert.deepEqual(parseSidecarHead(Buffer.concat([lines, rest])), value);
    }),
  );
});

test('extraction §13 a head that is cut or changed anywhere is refused, or says so', () => {
  fc.assert(
    fc.property(head, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 1 }), (value, at, [byte]) => {
      const lines = Buffer.from(formatSidecarHead(value));
      const place = at % lines.length;
      assert.throws(() => parseSidecarHead(lines.subarray(0, place)), { code: 'SIDECAR_CORRUPT' });
      const changed = Buffer.from(lines);
      changed[place] = byte!;
      let parsed: SidecarHead | null = null;
      try {
        parsed = parseSidecarHead(changed);
      } catch (error) {
        assert.equal((error as { code: string }).code, 'SIDECAR_CORRUPT');
      }
      if (parsed) assert.deepEqual(Buffer.from(formatSidecarHead(parsed)), changed);
    }),
  );
});

test('extraction §13 the lines', () => {
  const value: SidecarHead = {
    digest: digestOf(Buffer.from('a')),
    diffId: digestOf(Buffer.from('b')),
    stat: 'libkrun',
    packedBytes: 1,
    unpackedBytes: 1024,
    entries: 3,
    composeRequired: true,
  };
  assert.equal(
    Buffer.from(formatSidecarHead(value)).toString(),
    `#mtree\n#sluice.layer v=1 digest=${value.digest} diffid=${value.diffId} stat=libkrun\n` +
      '#sluice.counts packed=1 unpacked=1024 entries=3 compose=1\n',
  );
});
