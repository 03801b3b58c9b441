import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseChallenges } from '../../../src/source/registry/challenge.js';

type Parsed = [scheme: string, parameters: Record<string, string>];

function parse(...headers: string[]): Parsed[] {
  return parseChallenges(headers).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
}

const TABLE: readonly (readonly [what: string, headers: string[], expected: Parsed[]])[] = [
  [
    'the usual form',
    ['Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"'],
    [
      [
        'bearer',
        {
          realm: 'https://auth.docker.io/token',
          service: 'registry.docker.io',
          scope: 'repository:a/b:pull,push',
        },
      ],
    ],
  ],
  ['names in any case', ['bEaReR ReAlM="x"'], [['bearer', { realm: 'x' }]]],
  ['tokens as values', ['Bearer realm=x, service=y'], [['bearer', { realm: 'x', service: 'y' }]]],
  ['blanks about = and ,', ['Bearer realm = "x" ,  service\t=\ty'], [['bearer', { realm: 'x', service: 'y' }]]],
  ['escapes', [String.raw`Bearer realm="a\"b\\c\d"`], [['bearer', { realm: 'a"b\\cd' }]]],
  [
    'two challenges in one header',
    ['Basic realm="a, b", Bearer realm="c"'],
    [
      ['basic', { realm: 'a, b' }],
      ['bearer', { realm: 'c' }],
    ],
  ],
  [
    'two headers',
    ['Negotiate', 'Bearer realm="c"'],
    [
      ['negotiate', {}],
      ['bearer', { realm: 'c' }],
    ],
  ],
  [
    'a bare token',
    ['NTLM TlRMTVNTUAAB==, Basic realm="x"'],
    [
      ['ntlm', {}],
      ['basic', { realm: 'x' }],
    ],
  ],
  [
    'schemes alone',
    ['Negotiate, NTLM, Digest'],
    [
      ['negotiate', {}],
      ['ntlm', {}],
      ['digest', {}],
    ],
  ],
  ['empty list members', [', ,Bearer realm="x",,service="y",'], [['bearer', { realm: 'x', service: 'y' }]]],
  ['of a repeated parameter the first', ['Bearer realm="x",realm="y"'], [['bearer', { realm: 'x' }]]],
  ['an empty value', ['Bearer realm="x",scope=""'], [['bearer', { realm: 'x', scope: '' }]]],
  [
    'a quote that never ends',
    ['Basic realm="x", Bearer realm="y'],
    [
      ['basic', { realm: 'x' }],
      ['bearer', {}],
    ],
  ],
  ['nothing', [''], []],
  ['no grammar at all', ['"x"', '=', '  '], []],
];

for (const [what, headers, expected] of TABLE) {
  test(`registry R14 a challenge: ${what}`, () => assert.deepEqual(parse(...headers), expected));
}

test('registry R14 what is written by the grammar is read back', () => {
  const token = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}$/);
  const value = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) });
  const challenge = fc.record({
    scheme: token,
    parameters: fc.uniqueArray(fc.tuple(token, value), { selector: ([name]) => name.toLowerCase(), maxLength: 4 }),
  });
  fc.assert(
    fc.property(fc.array(challenge, { maxLength: 4 }), (challenges) => {
      const header = challenges
        .map(({ scheme, parameters }) => [scheme, parameters.map(([name, text]) => `${name}=${quote(text)}`)] as const)
        .map(([scheme, parameters]) => [scheme, parameters.join(', ')].join(' ').trim())
        .join(', ');
      const expected = challenges.map(({ scheme, parameters }): Parsed => [
        scheme.toLowerCase(),
        Object.fromEntries(parameters.map(([name, text]) => [name.toLowerCase(), text])),
      ]);
      assert.deepEqual(parse(header), expected);
    }),
  );
});

test('registry R14 no header makes the parser fail or run on', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'aB =,"\\;\t\0é/'), maxLength: 60 }), (header) => {
      const found = parseChallenges([header]);
      assert.ok(found.length <= header.length);
    }),
  );
});

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}
