import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { findEntry, parseConfigFile } from '../../../../src/source/registry/credentials/config-file.js';
import type { Credential } from '../../../../src/source/registry/credentials/credential.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const password = (username: string, secret: string): Credential => ({ kind: 'password', username, password: secret });

const ENTRIES: readonly (readonly [what: string, entry: unknown, expected: Credential | null])[] = [
  ['user and password', { auth: base64('user:pass') }, password('user', 'pass')],
  ['a password with colons', { auth: base64('user:pass:word:') }, password('user', 'pass:word:')],
  ['an empty password', { auth: base64('user:') }, password('user', '')],
  ['letters beyond ASCII', { auth: base64('üser:pässword') }, password('üser', 'pässword')],
  ['zeros behind the password', { auth: base64('user:pass\0\0') }, password('user', 'pass')],
  ['plain user and password', { username: 'user', password: 'pass' }, password('user', 'pass')],
  ['an identity token', { auth: base64('user:'), identitytoken: 'idt' }, { kind: 'identity-token', token: 'idt' }],
  ['the user <token>', { auth: base64('<token>:idt') }, { kind: 'identity-token', token: 'idt' }],
  ['a registry token', { registrytoken: 'rt' }, { kind: 'registry-token', token: 'rt' }],
  ['nothing', {}, null],
  ['an empty auth', { auth: '' }, null],
  ['an e-mail address alone', { email: 'a@b' }, null],
];

for (const [what, entry, expected] of ENTRIES) {
  test(`registry R30 an entry with ${what}`, () => {
    const problems: string[] = [];
    assert.deepEqual(find({ auths: { host: entry } }, problems), expected);
    assert.deepEqual(problems, []);
  });
}

const MALFORMED: readonly (readonly [what: string, entry: unknown])[] = [
  ['no base64', { auth: 'sentinel!' }],
  ['no colon', { auth: base64('sentinel') }],
  ['no user', { auth: base64(':sentinel') }],
  ['a number', 12],
  ['a number for auth', { auth: 12 }],
  ['a token with a blank', { registrytoken: 'sentinel two' }],
];

for (const [what, entry] of MALFORMED) {
  test(`registry R29 R30 a malformed entry is one problem, and nothing: ${what}`, () => {
    const problems: string[] = [];
    assert.equal(find({ auths: { host: entry } }, problems), null);
    assert.equal(problems.length, 1);
    assert.match(problems[0]!, /^\/some\/file: "auths" has an entry "host" /);
    assert.doesNotMatch(inspect(problems), /sentinel/);
  });
}

test('registry R30 empty entries are passed over for less specific ones', () => {
  const auths = { 'host/a/b': {}, 'host/a': { auth: '' }, host: { auth: base64('u:p') } };
  assert.deepEqual(find({ auths }, []), password('u', 'p'));
});

test('registry R29 a malformed file is named with the place, and nothing of it is shown', () => {
  for (const [text, problem] of [
    ['{"auths": {"host": {"auth": "sentinel" "x"}}}', '/some/file: no JSON at 1:40'],
    ['{\n"auths": sentinel}', '/some/file: no JSON at 2:10'],
    ['{"auths": "sentinel"}', '/some/file: "auths" has the wrong form'],
    ['{"credHelpers": {"host": 7}}', '/some/file: "credHelpers.host" has the wrong form'],
    ['[]', '/some/file: "" has the wrong form'],
  ] as const) {
    assert.deepEqual(parseConfigFile('/some/file', text), { kind: 'malformed', problem });
  }
  assert.equal(parseConfigFile('/some/file', ' \n').kind, 'absent');
  assert.equal(parseConfigFile('/some/file', '{"HttpHeaders": {"x": "y"}}').kind, 'read');
});

function find(value: unknown, problems: string[]): Credential | null {
  const reading = parseConfigFile('/some/file', JSON.stringify(value));
  assert.equal(reading.kind, 'read');
  if (reading.kind !== 'read') return null;
  const repository = { host: 'host', repository: 'a/b' };
  return findEntry('/some/file', reading.file, repository, (text) => problems.push(text));
}
