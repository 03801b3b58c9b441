import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTokenCache, parseToken, type Token, type TokenKey } from '../../../src/source/registry/token.js';
import { fakeTiming, never } from './setup.js';

const LIFETIMES: readonly (readonly [expiresIn: unknown, seconds: number])[] = [
  [undefined, 60],
  [300, 300],
  [61, 61],
  [60, 60],
  [5, 60],
  [0, 60],
  [-300, 60],
  [1e12, 60],
  [Number.MAX_VALUE, 60],
  ['300', 60],
  [null, 60],
  [{}, 60],
];

for (const [expiresIn, seconds] of LIFETIMES) {
  test(`registry R21 expires_in ${JSON.stringify(expiresIn)} is ${seconds} s`, () => {
    const reply = { token: 't', expires_in: expiresIn, issued_at: '1990-01-01T00:00:00Z' };
    assert.equal(parseToken(Buffer.from(JSON.stringify(reply))).lifetimeMs, seconds * 1000);
  });
}

const REPLIES: readonly (readonly [reply: string, value: string | null])[] = [
  ['{"token":"a","access_token":"b"}', 'a'],
  ['{"access_token":"b"}', 'b'],
  ['{"token":"","access_token":"b"}', 'b'],
  ['{}', null],
  ['{"token":1}', null],
  ['{"token":"two words"}', null],
  [String.raw`{"token":"a\r\nX: y"}`, null],
  ['[]', null],
  ['not json', null],
  ['', null],
];

for (const [reply, value] of REPLIES) {
  test(`registry R15 the token of ${JSON.stringify(reply)}`, () => {
    const parse = (): string => parseToken(Buffer.from(reply)).value;
    if (value === null) assert.throws(parse, { code: 'AUTH_FAILED' });
    else assert.equal(parse(), value);
  });
}

const KEY: TokenKey = {
  realm: new URL('https://auth.test/token'),
  service: 's',
  scopes: ['repository:a:pull', 'repository:b:pull'],
  identity: 'anonymous',
};

test('registry R21 a token is used until its last tenth, by the clock that never goes back', async () => {
  const timing = fakeTiming();
  const cache = createTokenCache(timing);
  const request = requestOf(['one', 'two'], 100_000);
  assert.equal(await cache.find(KEY, request, never), 'one');
  timing.time += 89_999;
  assert.equal(await cache.find(KEY, request, never), 'one');
  timing.time += 1;
  assert.equal(await cache.find(KEY, request, never), 'two');
});

const OTHERS: readonly (readonly [what: string, change: Partial<TokenKey>, isShared: boolean])[] = [
  ['the same scopes in another order', { scopes: ['repository:b:pull', 'repository:a:pull'] }, true],
  ['another realm', { realm: new URL('https://other.test/token') }, false],
  ['another service', { service: 't' }, false],
  ['no service', { service: null }, false],
  ['fewer scopes', { scopes: ['repository:a:pull'] }, false],
  ['somebody else', { identity: 'user' }, false],
];

for (const [what, change, isShared] of OTHERS) {
  test(`registry R20 a token is ${isShared ? '' : 'not '}shared by ${what}`, async () => {
    const cache = createTokenCache(fakeTiming());
    const request = requestOf(['one', 'two'], 60_000);
    await cache.find(KEY, request, never);
    assert.equal(await cache.find({ ...KEY, ...change }, request, never), isShared ? 'one' : 'two');
  });
}

test('registry R20 one request is in flight for all who wait', async () => {
  const cache = createTokenCache(fakeTiming());
  let asked = 0;
  let answer: (token: Token) => void = () => undefined;
  const request = (): Promise<Token> => {
    asked++;
    return new Promise((resolve) => {
      answer = resolve;
    });
  };
  const all = Promise.all([1, 2, 3].map(() => cache.find(KEY, request, never)));
  await Promise.resolve();
  answer({ value: 'one', lifetimeMs: 60_000, refreshToken: null });
  assert.deepEqual(await all, ['one', 'one', 'one']);
  assert.equal(asked, 1);
});

test('registry R20 a request lives until the last who waits has left', async () => {
  const cache = createTokenCache(fakeTiming());
  const signals: AbortSignal[] = [];
  const request = (signal: AbortSignal): Promise<Token> => {
    signals.push(signal);
    return new Promise(() => undefined);
  };
  const [first, second] = [new AbortController(), new AbortController()];
  const waits = [first, second].map(({ signal }) => cache.find(KEY, request, signal));
  const settled = Promise.allSettled(waits);
  await Promise.resolve();
  first.abort();
  assert.equal(signals[0]?.aborted, false);
  second.abort();
  assert.equal(signals[0]?.aborted, true);
  for (const result of await settled) assert.equal(result.status, 'rejected');
  assert.equal(signals.length, 1);
});

test('registry R22 a dropped token is not used again, and takes no newer one with it', async () => {
  const cache = createTokenCache(fakeTiming());
  const request = requestOf(['one', 'two', 'three'], 60_000);
  assert.equal(await cache.find(KEY, request, never), 'one');
  cache.drop(KEY, 'one');
  assert.equal(await cache.find(KEY, request, never), 'two');
  cache.drop(KEY, 'one');
  assert.equal(await cache.find(KEY, request, never), 'two');
});

test('registry R20 a failed request is not kept', async () => {
  const cache = createTokenCache(fakeTiming());
  await assert.rejects(
    cache.find(KEY, () => Promise.reject(new Error('down')), never),
    /down/,
  );
  assert.equal(await cache.find(KEY, requestOf(['one'], 60_000), never), 'one');
});

function requestOf(values: string[], lifetimeMs: number): () => Promise<Token> {
  return async () => ({ value: values.shift() ?? 'none', lifetimeMs, refreshToken: null });
}
