import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { errnoOf, ERRORS, fileSystemError, redact, SluiceError, type ErrorCode } from '../src/errors.js';

const CODES = Object.keys(ERRORS) as ErrorCode[];

test('every code has a hint that is a sentence, and an exit status', () => {
  for (const code of CODES) {
    const { hint, exit } = ERRORS[code];
    assert.match(hint, /^[A-Z].*\.$/, code);
    assert.ok([1, 2, 130].includes(exit), code);
  }
  assert.deepEqual(
    CODES.filter((code) => ERRORS[code].exit === 2),
    ['REFERENCE_INVALID', 'CONFIG_INVALID'],
  );
  assert.deepEqual(
    CODES.filter((code) => ERRORS[code].exit === 130),
    ['ABORTED'],
  );
});

test('registry R67 what a layer is refused for is not worth a retry, what the network did is', () => {
  for (const code of [
    'TAR_MALFORMED',
    'BUDGET_EXCEEDED',
    'DIGEST_MISMATCH',
    'TLS_FAILED',
    'REDIRECT_REFUSED',
    'MANIFEST_INVALID',
  ] as const) {
    assert.equal(new SluiceError(code, 'x').isRetryable, false, code);
  }
  for (const code of ['RATE_LIMITED', 'SERVER_ERROR', 'BLOB_INCOMPLETE', 'DISK_FULL'] as const) {
    assert.equal(new SluiceError(code, 'x').isRetryable, true, code);
  }
});

test('every code crosses as data and comes back the same', () => {
  for (const code of CODES) {
    const error = new SluiceError(code, {
      message: 'doing it',
      rule: 'X1',
      offset: 512,
      limit: { option: 'maxEntries', value: 5 },
    });
    const back = SluiceError.fromData(structuredClone(error.toData()));
    assert.ok(back instanceof SluiceError && back instanceof Error);
    assert.deepEqual(
      [back.code, back.detail, back.message, back.hint, back.name],
      [code, error.detail, 'doing it', error.hint, 'SluiceError'],
    );
  }
});

test('a hint of its own comes before the code’s', () => {
  assert.equal(new SluiceError('NAME_UNKNOWN', 'x').hint, ERRORS.NAME_UNKNOWN.hint);
  const error = new SluiceError('NAME_UNKNOWN', { message: 'x', hint: 'Try y.' });
  assert.equal(error.hint, 'Try y.');
  assert.deepEqual(error.toJSON(), { code: 'NAME_UNKNOWN', message: 'x', hint: 'Try y.' });
});

test('more can be said about an error, what was said stays', () => {
  const cause = new TypeError('why');
  const error = new SluiceError('TAR_MALFORMED', { message: 'first', rule: 'T1' }, { cause });
  const more = error.with({ message: 'second', rule: 'T2', layer: 'sha256:x', offset: 0 });
  assert.deepEqual(more.detail, { message: 'first', rule: 'T1', layer: 'sha256:x', offset: 0 });
  assert.equal((more.cause as Error).message, 'why');
  assert.equal(error.detail.layer, undefined);
});

test('fields that are undefined are left out', () => {
  const error = new SluiceError('TAR_MALFORMED', { message: 'x', ...({ rule: undefined } as object) });
  assert.deepEqual(Object.keys(error.detail), ['message']);
});

const SECRETS: readonly (readonly [string, string])[] = [
  ['https://user:secret@host/path', 'https://host/path'],
  ['https://secret@host/path', 'https://host/path'],
  ['https://user:sec@ret@host/path', 'https://host/path'],
  ['https://host/v2/?token=secret&a=secret', 'https://host/v2/?…'],
  ['see https://host/x?sig=secret and http://host/y?sig=secret.', 'see https://host/x?… and http://host/y?…'],
  ['https://host/a/https://u:secret@x/', 'https://host/a/https://x/'],
  ['"https://host/x?sig=secret" failed', '"https://host/x?…" failed'],
  ['Authorization: Bearer secret', 'Authorization: …'],
  ['authorization=secret', 'authorization=…'],
  ['{"authorization":"Basic secret"}', '{"authorization":"…"}'],
  ['Proxy-Authorization: Basic secret', 'Proxy-Authorization: …'],
  ['Set-Cookie: a=secret; Path=/', 'Set-Cookie: …'],
  ['cookie: secret', 'cookie: …'],
  ['got Bearer c2VjcmV0LXNlY3JldA==', 'got Bearer …'],
  ['got Basic dXNlcjpzZWNyZXQ=', 'got Basic …'],
];

for (const [text, clean] of SECRETS) {
  test(`secrets are taken out of ${JSON.stringify(text)}`, () => {
    assert.equal(redact(text), clean);
    assert.equal(redact(clean), clean, 'a second time changes nothing');
  });
}

test('text of a hostile layer is cleaned in linear time', () => {
  for (const text of ['a', 'a:', 'a://', '://', '://@', 'Bearer ', 'cookie ', 'cookie=']) {
    assert.ok(redact(text.repeat(2 ** 20 / text.length)).length > 0);
  }
});

test('what is no secret stays', () => {
  for (const text of [
    'opening blob "sha256:abc"',
    'user@host',
    'docker.io/library/alpine:3@sha256:abc',
    'https://host/path#x',
    'Basic things',
    'why? because',
  ]) {
    assert.equal(redact(text), text);
  }
});

test('no field of an error and no cause shows a secret', () => {
  const cause = Object.assign(new Error('connecting to https://u:secret@host/?q=secret'), {
    code: 'ECONNRESET',
    request: { headers: { authorization: 'Bearer secret' } },
  });
  const error = new SluiceError(
    'REGISTRY_UNREACHABLE',
    {
      message: 'https://u:secret@host/',
      host: 'u?https://u:secret@host',
      image: 'https://host/?secret',
      entry: 'https://u:secret@x',
    },
    { cause },
  );
  assert.doesNotMatch(inspect(error, { depth: 10 }), /secret/);
  assert.doesNotMatch(JSON.stringify(error), /secret/);
  assert.equal((error.cause as NodeJS.ErrnoException).code, 'ECONNRESET');
  const text = new SluiceError('LAYER_FAILED', 'x', { cause: 'https://u:secret@host' });
  assert.equal(text.cause, 'https://host');
  const nested = new SluiceError('LAYER_FAILED', 'x', { cause: error });
  assert.equal(nested.cause, error, 'ours is clean already');
});

test('the raw bytes of an entry’s name are kept as they are', () => {
  const entryBase64 = Buffer.from('https://u:p@h/?x').toString('base64');
  assert.equal(new SluiceError('NAME_REFUSED', { message: 'x', entryBase64 }).detail.entryBase64, entryBase64);
});

test('errors of the file system', () => {
  const system = (code: string): Error => Object.assign(new Error(code), { code, syscall: 'write' });
  assert.deepEqual(
    [fileSystemError('writing', system('ENOSPC')).code, fileSystemError('writing', system('EDQUOT')).code],
    ['DISK_FULL', 'DISK_FULL'],
  );
  const { code, detail } = fileSystemError('writing "x"', system('EIO'));
  assert.deepEqual([code, detail], ['STORE_FAILED', { message: 'writing "x": EIO', errno: 'EIO', syscall: 'write' }]);
  const ours = new SluiceError('ABORTED', 'x');
  assert.equal(fileSystemError('writing', ours), ours);
  assert.equal(fileSystemError('writing', 'odd').detail.message, 'writing: odd');
  assert.deepEqual(
    [
      errnoOf(system('ENOENT')),
      errnoOf(new Error('x')),
      errnoOf('ENOENT'),
      errnoOf(Object.assign(new Error('x'), { code: 5 })),
    ],
    ['ENOENT', undefined, undefined, undefined],
  );
});
