import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { SluiceError } from '../../../src/errors.js';
import { digestOf } from '../../../src/oci/digest.js';
import { buildImage, type Fault, type FaultAction, file, layer, startRegistry } from '../../../src/testing/index.js';
import { parseRetryAfter } from '../../../src/source/registry/status.js';
import { openLab } from '../../helpers/sluice.js';
import {
  eventually,
  fakeClient,
  fakeTiming,
  type FakeTiming,
  never,
  open,
  openBlob,
  readRange,
  testBytes,
} from '../../source/registry/setup.js';

const image = buildImage({ layers: [{ tar: layer(file('hello', 'world')) }] });
const MIB = 1024 * 1024;
const TIMEOUTS = { connectMs: 10_000, headersMs: 500, idleMs: 500 };
/** Nothing ends before the test. */
const PATIENT = { connectMs: 600_000, headersMs: 600_000, idleMs: 600_000 };

function onManifest(action: FaultAction, nth?: Fault['nth']): Fault {
  return { match: { kind: 'manifest' }, ...(nth !== undefined && { nth }), do: action };
}

// R66

const PASSING: readonly (readonly [what: string, action: FaultAction])[] = [
  ...[408, 429, 500, 502, 503, 504].map((status) => [`HTTP ${status}`, { kind: 'reply', status }] as const),
  ['a connection that ends without a reply', { kind: 'drop', by: 'fin' }],
  ['a reset', { kind: 'drop', by: 'rst' }],
  ['a body that ends early', { kind: 'cut', atByte: 100, by: 'fin' }],
  ['a body that is reset', { kind: 'cut', atByte: 100, by: 'rst' }],
  ['a chunked body that ends early', { kind: 'cut', atByte: 100, by: 'fin', framing: 'chunked' }],
  ['no HTTP', { kind: 'raw', bytes: 'SSH-2.0-OpenSSH_9.2\r\n' }],
];

for (const [what, action] of PASSING) {
  test(`registry R66 ${what} is tried again, five times in all`, async (t) => {
    await using registry = await startRegistry({ faults: [onManifest(action, [1, 2, 3, 4])] });
    const { source, timing } = open(t, registry.push('a/b', '1', image));
    const document = await source.readTop(never);
    assert.ok(Buffer.from(document.bytes).equals(image.manifest.bytes));
    assert.equal(timing.sleeps.length, 4);
    registry.addFault(onManifest(action));
    registry.clearRequests();
    await assert.rejects(source.readTop(never), ({ detail }) => {
      assert.equal(detail.tries, 5);
      assert.equal(detail.asked, 'manifest');
      return true;
    });
    assert.ok(registry.requests.length >= 5);
  });
}

test('registry R66 what stays so in the end is named', async (t) => {
  const codes = [
    [{ kind: 'reply', status: 503 }, 'SERVER_ERROR'],
    [{ kind: 'reply', status: 429 }, 'RATE_LIMITED'],
    [{ kind: 'drop', by: 'rst' }, 'REGISTRY_UNREACHABLE'],
    [{ kind: 'cut', atByte: 10, by: 'fin' }, 'REGISTRY_UNREACHABLE'],
    [{ kind: 'raw', bytes: 'SSH-2.0-OpenSSH_9.2\r\n' }, 'PROTOCOL_ERROR'],
  ] as const;
  for (const [action, code] of codes) {
    await using registry = await startRegistry({ faults: [onManifest(action)] });
    const { source } = open(t, registry.push('a/b', '1', image));
    await assert.rejects(source.readTop(never), { code });
  }
});

test('registry R66 nobody listening is tried again', async (t) => {
  const registry = await startRegistry();
  const { source, timing } = open(t, registry.push('a/b', '1', image));
  await registry.close();
  await assert.rejects(source.readTop(never), ({ code, detail }) => {
    assert.deepEqual([code, detail.errno, detail.tries], ['REGISTRY_UNREACHABLE', 'ECONNREFUSED', 5]);
    return true;
  });
  assert.equal(timing.sleeps.length, 4);
});

test('registry R66 a connection that was closed while idle costs no try and no wait', async (t) => {
  let connections = 0;
  const host = await rawServer(t, (socket) => {
    connections++;
    let answered = 0;
    socket.on('data', () => {
      if (answered++ > 0) return void socket.resetAndDestroy();
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}');
    });
  });
  const { source, timing } = open(t, `${host}/a/b:1`);
  await source.readTop(never);
  await source.readTop(never);
  assert.equal(connections, 2);
  assert.deepEqual(timing.sleeps, []);
});

test('registry R66 a reset of a new connection is a try', async (t) => {
  let connections = 0;
  const host = await rawServer(t, (socket) => {
    socket.on('data', () => {
      if (++connections === 1) return void socket.resetAndDestroy();
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}');
    });
  });
  const { source, timing } = open(t, `${host}/a/b:1`);
  await source.readTop(never);
  assert.equal(timing.sleeps.length, 1);
});

// R67

const FINAL: readonly (readonly [status: number, code: string])[] = [
  [400, 'PROTOCOL_ERROR'],
  [402, 'PROTOCOL_ERROR'],
  [403, 'ACCESS_DENIED'],
  [404, 'MANIFEST_UNKNOWN'],
  [405, 'PROTOCOL_ERROR'],
  [410, 'PROTOCOL_ERROR'],
  [418, 'PROTOCOL_ERROR'],
  [501, 'SERVER_ERROR'],
  [505, 'SERVER_ERROR'],
  [204, 'PROTOCOL_ERROR'],
  [206, 'PROTOCOL_ERROR'],
  [304, 'PROTOCOL_ERROR'],
];

for (const [status, code] of FINAL) {
  test(`registry R67 HTTP ${status} is ${code} at once`, async (t) => {
    const client = fakeClient(() => ({ status }));
    const { source, timing } = open(t, 'registry.test/a/b:1', { client });
    await assert.rejects(source.readTop(never), { code });
    assert.equal(client.requests.length, 1);
    assert.deepEqual(timing.sleeps, []);
  });
}

test('registry R67 a name that does not exist is not tried again', async (t) => {
  const { source, timing } = open(t, 'sluice-test.invalid/a/b:1');
  await assert.rejects(source.readTop(never), ({ code, detail }) => {
    assert.equal(code, 'REGISTRY_UNREACHABLE');
    assert.ok(detail.errno === 'ENOTFOUND' || detail.errno === 'EAI_AGAIN');
    assert.equal(timing.sleeps.length, detail.errno === 'ENOTFOUND' ? 0 : 4);
    return true;
  });
});

test('registry R67 what a token server refuses is not asked five times five', async (t) => {
  const timing = fakeTiming();
  const client = fakeClient(
    ({ wanted }) =>
      wanted === 'token'
        ? { status: 503 }
        : { status: 401, headers: { 'www-authenticate': 'Bearer realm="https://auth.test/token"' } },
    timing,
  );
  const { source } = open(t, 'registry.test/a/b:1', { client, timing });
  await assert.rejects(source.readTop(never), ({ code, detail }) => {
    assert.deepEqual([code, detail.asked, detail.tries], ['SERVER_ERROR', 'token', 5]);
    return true;
  });
  assert.equal(client.requests.filter(({ wanted }) => wanted === 'token').length, 5);
});

// R68

for (const [random, expected] of [
  [0, [0, 0, 0, 0]],
  [0.5, [125, 250, 500, 1000]],
  [0.999, [249.75, 499.5, 999, 1998]],
] as const) {
  test(`registry R68 waits are anywhere between none and the full back-off: ${random}`, async (t) => {
    const timing = fakeTiming(() => random);
    const client = fakeClient(() => ({ status: 503 }), timing);
    await assert.rejects(open(t, 'registry.test/a/b:1', { client, timing }).source.readTop(never));
    assert.deepEqual(timing.sleeps, expected);
  });
}

test('registry R68 a wait ends at once when the signal fires', async (t) => {
  const controller = new AbortController();
  const timing = fakeTiming();
  const client = fakeClient(() => {
    controller.abort();
    return { status: 503 };
  }, timing);
  const { source } = open(t, 'registry.test/a/b:1', { client, timing });
  await assert.rejects(source.readTop(controller.signal), { code: 'ABORTED' });
  assert.equal(client.requests.length, 1);
});

// R69

const NOW = Date.UTC(2026, 0, 1);
const RETRY_AFTER: readonly (readonly [text: string, ms: number | null])[] = [
  ['0', 0],
  ['120', 120_000],
  ['Thu, 01 Jan 2026 00:01:00 GMT', 60_000],
  ['Thursday, 01-Jan-26 00:01:00 GMT', 60_000],
  ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
  ['-1', null],
  ['1.5', null],
  ['1e3', null],
  ['soon', null],
  ['2026-01-01', null],
  ['Xyz, 01 Jan 2026 00:01:00 GMT', null],
  ['Thu, 99 Jan 2026 00:01:00 GMT', null],
  ['', null],
];

for (const [text, ms] of RETRY_AFTER) {
  test(`registry R69 Retry-After ${JSON.stringify(text)}`, () => assert.equal(parseRetryAfter(text, NOW), ms));
}

for (const status of [429, 503] as const) {
  test(`registry R69 a ${status} says how long to wait`, async (t) => {
    const timing = fakeTiming(() => 0.25);
    let asked = 0;
    const client = fakeClient(
      () => (asked++ === 0 ? { status, headers: { 'retry-after': '300' } } : { body: '{}' }),
      timing,
    );
    await open(t, 'registry.test/a/b:1', { client, timing }).source.readTop(never);
    assert.deepEqual(timing.sleeps, [300_250]);
  });

  test(`registry R69 a ${status} that asks for more than 300 s gets none`, async (t) => {
    const timing = fakeTiming();
    const client = fakeClient(() => ({ status, headers: { 'retry-after': '301' } }), timing);
    await assert.rejects(
      open(t, 'registry.test/a/b:1', { client, timing }).source.readTop(never),
      ({ code, detail }) => {
        assert.equal(code, 'RATE_LIMITED');
        assert.equal(detail.retryAt, new Date(NOW + 301_000).toISOString());
        return true;
      },
    );
    assert.deepEqual(timing.sleeps, []);
  });
}

test('registry R69 a Retry-After counts with 429 and 503 alone', async (t) => {
  const timing = fakeTiming(() => 0.5);
  const client = fakeClient(() => ({ status: 500, headers: { 'retry-after': '100' } }), timing);
  await assert.rejects(open(t, 'registry.test/a/b:1', { client, timing }).source.readTop(never), ({ detail }) => {
    assert.equal(detail.retryAt, undefined);
    return true;
  });
  assert.deepEqual(timing.sleeps, [125, 250, 500, 1000]);
});

test('registry R69 a Retry-After beyond all time is no crash', async (t) => {
  const client = fakeClient(() => ({ status: 429, headers: { 'retry-after': '9999999999' } }));
  await assert.rejects(open(t, 'registry.test/a/b:1', { client }).source.readTop(never), { code: 'RATE_LIMITED' });
});

test('registry R69 a 429 without a time begins with a second', async (t) => {
  const timing = fakeTiming(() => 0.5);
  const client = fakeClient(() => ({ status: 429 }), timing);
  await assert.rejects(open(t, 'registry.test/a/b:1', { client, timing }).source.readTop(never));
  assert.deepEqual(timing.sleeps, [500, 1000, 2000, 4000]);
});

// R70

test('registry R70 a 429 stops all requests to the host until the wait is over, blobs and documents of all pulls', async (t) => {
  await using registry = await startRegistry({
    faults: [{ match: { kind: 'blob' }, nth: 1, do: { kind: 'busy', status: 429, retryAfter: 20 } }],
  });
  const bytes = testBytes(100);
  const first = open(t, registry.push('a/b', '1', image));
  const { client, timing } = first;
  const other = open(t, registry.push('c/d', '1', image), { client });
  registry.pushBlob('a/b', digestOf(bytes), bytes);
  const asleep = holdSleeps(timing);
  const reading = readRange(await openBlob(first.source, bytes), 0, bytes.length);
  await eventually(() => asleep.waiting.length === 1);
  const top = other.source.readTop(never);
  await eventually(() => asleep.waiting.length === 2);
  assert.equal(registry.requests.length, 1);
  assert.ok(asleep.waiting.every((ms) => ms >= 20_000 && ms <= 21_000));
  timing.time += 21_000;
  asleep.wake();
  await Promise.all([reading, top]);
  assert.deepEqual(registry.requests.map(({ kind }) => kind).toSorted(), ['blob', 'blob', 'manifest']);
});

test('registry R70 who waits for a place while the host begins to ask for patience waits on', async (t) => {
  let release = (): void => undefined;
  const until = new Promise<void>((resolve) => {
    release = resolve;
  });
  await using registry = await startRegistry({
    faults: [
      { match: {}, nth: [1, 2], do: { kind: 'hold', until } },
      { match: {}, nth: 1, do: { kind: 'busy', status: 429, retryAfter: 20 } },
    ],
  });
  const { source, timing } = open(t, registry.push('a/b', '1', image));
  const asleep = holdSleeps(timing);
  const tops = [1, 2, 3].map(() => source.readTop(never));
  await eventually(() => registry.requests.length === 2);
  release();
  await eventually(() => asleep.waiting.length === 2);
  assert.equal(registry.requests.length, 2);
  timing.time += 21_000;
  asleep.wake();
  await Promise.all(tops);
  assert.equal(registry.requests.length, 4);
});

test('registry R70 why a pull stands still is said once', async (t) => {
  const client = fakeClient(({ method }) => ({
    status: method === 'GET' ? 429 : 200,
    headers: { 'retry-after': '7' },
  }));
  const { source, notices } = open(t, 'registry.test/a/b:1', { client });
  await assert.rejects(source.readTop(never), { code: 'RATE_LIMITED' });
  assert.deepEqual(
    notices.map(({ level, message }) => [level, message]),
    [['warn', 'the registry asks for patience (HTTP 429), Retry-After: 7']],
  );
});

test('registry R70 after a 429 half the connections are used', async (t) => {
  let release = (): void => undefined;
  const until = new Promise<void>((resolve) => {
    release = resolve;
  });
  await using registry = await startRegistry({
    faults: [
      { match: { kind: 'blob' }, nth: 1, do: { kind: 'busy', status: 429 } },
      { match: { kind: 'blob' }, nth: [2, 3, 4, 5, 6, 7, 8], do: { kind: 'hold', until } },
    ],
  });
  const blobs = Array.from({ length: 8 }, (_, index) => testBytes(100, index + 1));
  for (const bytes of blobs) registry.pushBlob('a/b', digestOf(bytes), bytes);
  const { source } = open(t, registry.push('a/b', '1', image));
  const read = async (bytes: Buffer): Promise<Buffer> => readRange(await openBlob(source, bytes), 0, bytes.length);
  const first = read(blobs[0]!);
  await eventually(() => registry.requestsOf('blob').length === 2);
  const others = blobs.slice(1).map(read);
  await eventually(() => registry.requestsOf('blob').length === 4);
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(registry.requestsOf('blob').length, 4);
  release();
  await Promise.all([first, ...others]);
});

// R71

test('registry R71 a blob over a bad line may break a hundred times', async (t) => {
  const bytes = testBytes(3 * 1024 * 1024);
  await using registry = await startRegistry({
    faults: [{ match: { kind: 'blob' }, do: { kind: 'cut', atByte: 30_000, by: 'fin' } }],
  });
  registry.pushBlob('a/b', digestOf(bytes), bytes);
  const { source } = open(t, `${registry.host}/a/b:1`);
  assert.ok((await readRange(await openBlob(source, bytes), 0, bytes.length)).equals(bytes));
  assert.ok(registry.requestsOf('blob').length > 100);
});

test('registry R71 a blob that gains too little between five breaks is given up', async (t) => {
  const bytes = testBytes(100_000);
  await using registry = await startRegistry({
    faults: [{ match: { kind: 'blob' }, do: { kind: 'cut', atByte: 1000, by: 'fin' } }],
  });
  registry.pushBlob('a/b', digestOf(bytes), bytes);
  const { source, timing } = open(t, `${registry.host}/a/b:1`);
  await assert.rejects(readRange(await openBlob(source, bytes), 0, bytes.length), ({ code, detail }) => {
    assert.deepEqual([code, detail.tries, detail.bytesSoFar, detail.asked], ['BLOB_INCOMPLETE', 5, 5000, 'blob']);
    assert.equal(detail.layer, digestOf(bytes));
    return true;
  });
  assert.equal(registry.requestsOf('blob').length, 5);
  assert.equal(timing.sleeps.length, 4);
});

for (const [gained, isGivenUp] of [
  [13_107, true],
  [13_108, false],
] as const) {
  test(`registry R71 five times ${gained} bytes are ${isGivenUp ? 'too little' : 'progress'}`, async (t) => {
    const bytes = testBytes(100_000);
    await using registry = await startRegistry({
      faults: [{ match: { kind: 'blob' }, do: { kind: 'cut', atByte: gained, by: 'fin' } }],
    });
    registry.pushBlob('a/b', digestOf(bytes), bytes);
    const { source } = open(t, `${registry.host}/a/b:1`);
    const reading = readRange(await openBlob(source, bytes), 0, bytes.length);
    if (isGivenUp) await assert.rejects(reading, { code: 'BLOB_INCOMPLETE' });
    else assert.ok((await reading).equals(bytes));
  });
}

test('registry R71 ranges that fail at once are one failure', async (t) => {
  const bytes = testBytes(8 * MIB);
  await using registry = await startRegistry();
  registry.pushBlob('a/b', digestOf(bytes), bytes);
  const { source, timing } = open(t, `${registry.host}/a/b:1`);
  const reader = await openBlob(source, bytes);
  await readRange(reader, 0, MIB);
  registry.addFault({
    match: { kind: 'blob' },
    nth: [1, 2, 3, 4, 5, 6, 7, 8],
    do: { kind: 'cut', atByte: 10, by: 'fin' },
  });
  const asleep = holdSleeps(timing);
  const parts = [1, 2].map((at) => readRange(reader, at * MIB, (at + 1) * MIB));
  for (let round = 1; round <= 4; round++) {
    await eventually(() => asleep.waiting.length === 2 * round);
    asleep.wake();
  }
  assert.ok(Buffer.concat(await Promise.all(parts)).equals(bytes.subarray(MIB, 3 * MIB)));
  assert.deepEqual(asleep.waiting, [125, 125, 250, 250, 500, 500, 1000, 1000]);
});

// R72

for (const [what, action, timer] of [
  ['headers that do not come', { kind: 'hold' }, { headersMs: 500 }],
  ['a body that stands still', { kind: 'stall', atByte: 10 }, { idleMs: 500 }],
] as const) {
  test(`registry R72 ${what} end the try, by a timer of their own`, async (t) => {
    await using registry = await startRegistry({ faults: [onManifest(action, 1)] });
    const { source, timing } = open(t, registry.push('a/b', '1', image), { timeouts: { ...PATIENT, ...timer } });
    await source.readTop(never);
    assert.equal(timing.sleeps.length, 1);
    assert.equal(registry.requests.length, 2);
  });
}

test('registry R72 a connection that nobody completes is given up by a timer of its own', async (t) => {
  const host = await rawServer(t, () => undefined);
  const { client } = open(t, `${host}/a/b:1`, { timeouts: { ...PATIENT, connectMs: 500 } });
  const url = new URL(`https://${host}/v2/`);
  const request = { method: 'GET', url, firstUrl: url, headers: {}, wanted: 'manifest', host, guard: 'any' } as const;
  await assert.rejects(
    client.dispatch(request, () => () => undefined, never),
    ({ code, detail }) => {
      assert.deepEqual([code, detail.errno], ['REGISTRY_UNREACHABLE', 'UND_ERR_CONNECT_TIMEOUT']);
      return true;
    },
  );
});

// R73

test('registry R73 a blob that drips is asked for over new connections, and is TOO_SLOW the third time', async (t) => {
  const bytes = testBytes(9 * MIB);
  await using registry = await startRegistry();
  registry.pushBlob('a/b', digestOf(bytes), bytes);
  const { source, timing } = open(t, `${registry.host}/a/b:1`);
  const reader = await openBlob(source, bytes);
  const drip = (): void => void (timing.time += 31_000);
  await assert.rejects(reader.read(0, 4 * MIB, drip, never), ({ code, detail, message }) => {
    assert.deepEqual([code, detail.tries, detail.asked, detail.limit?.option], ['TOO_SLOW', 3, 'blob', 'rateFloor']);
    assert.match(message, /bytes a second/);
    return true;
  });
  const connections = registry.requests.map(({ connection }) => connection);
  assert.deepEqual(connections, [1, 2, 3]);
  assert.equal(timing.sleeps.length, 2);
});

test('registry R73 a slow blob’s other ranges are cut along, and what comes then at a good rate is taken', async (t) => {
  const bytes = testBytes(32 * MIB);
  await using registry = await startRegistry();
  registry.pushBlob('a/b', digestOf(bytes), bytes);
  const { source, timing } = open(t, `${registry.host}/a/b:1`);
  const reader = await openBlob(source, bytes);
  const chunks: Buffer[][] = [[], []];
  let isSlow = true;
  await Promise.all(
    chunks.map((part, at) =>
      reader.read(
        at * 16 * MIB,
        16 * MIB,
        (chunk) => {
          part.push(Buffer.from(chunk));
          if (isSlow && chunks.every((some) => some.length > 0)) {
            timing.time += 1_000_000;
            isSlow = false;
          }
        },
        never,
      ),
    ),
  );
  assert.ok(Buffer.concat(chunks.flat()).equals(bytes));
  const ranges = registry.requests.map(({ headers, connection }) => [headers.range, connection] as const);
  assert.equal(ranges.length, 4);
  assert.equal(new Set(ranges.slice(1).map(([, connection]) => connection)).size, 3);
  assert.deepEqual(timing.sleeps, [125, 125], 'one failed try');
});

test('registry R73 a blob that stands still is cut when the window is over, and goes on over new connections', async (t) => {
  const bytes = testBytes(8 * MIB);
  const action = { kind: 'stall', atByte: 100_000 } as const;
  await using registry = await startRegistry({ faults: [{ match: { kind: 'blob' }, nth: [1, 2], do: action }] });
  registry.pushBlob('a/b', digestOf(bytes), bytes);
  const { source, timing } = open(t, `${registry.host}/a/b:1`);
  const reader = await openBlob(source, bytes);
  const parts = [0, 1].map((at) => readRange(reader, at * 4 * MIB, (at + 1) * 4 * MIB));
  await eventually(() => registry.requests.length === 2 && registry.requests.every((one) => one.bytesSent === 100_000));
  const setbacks = (): number | undefined => reader.setbacks?.();
  for (let turns = 0; turns < 1000 && setbacks() === 0; turns++) {
    timing.time += 10_000;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(Buffer.concat(await Promise.all(parts)).equals(bytes));
  assert.equal(setbacks(), 1, 'both are one failed try');
  assert.equal(new Set(registry.requests.map(({ connection }) => connection)).size, 4);
});

test('registry R73 a blob of 1 MiB that stands still is the idle timer’s', async (t) => {
  const bytes = testBytes(MIB);
  const action = { kind: 'stall', atByte: 1000 } as const;
  await using registry = await startRegistry({ faults: [{ match: { kind: 'blob' }, nth: 1, do: action }] });
  registry.pushBlob('a/b', digestOf(bytes), bytes);
  const { source, timing } = open(t, `${registry.host}/a/b:1`, { timeouts: TIMEOUTS });
  const reader = await openBlob(source, bytes);
  const reading = readRange(reader, 0, bytes.length);
  await eventually(() => registry.requests.some((one) => one.bytesSent === 1000));
  timing.time += 10_000_000;
  assert.ok((await reading).equals(bytes));
  assert.deepEqual(timing.sleeps, [125]);
});

// R77

for (const [what, action] of [
  ['the headers', { kind: 'hold' }],
  ['the body', { kind: 'stall', atByte: 10 }],
] as const) {
  test(`registry R77 a signal ends the wait for ${what}`, async (t) => {
    await using registry = await startRegistry({ faults: [onManifest(action)] });
    const { source, timing } = open(t, registry.push('a/b', '1', image));
    const controller = new AbortController();
    const reading = assert.rejects(source.readTop(controller.signal), { code: 'ABORTED' });
    await eventually(() => registry.requests.length > 0);
    controller.abort();
    await reading;
    assert.deepEqual(timing.sleeps, []);
    await assert.rejects(source.readTop(controller.signal), { code: 'ABORTED' });
    assert.equal(registry.requests.length, 1);
  });
}

for (const [what, match, action] of [
  ['a manifest', { kind: 'manifest' }, { kind: 'hold' }],
  ['a layer', { kind: 'blob' }, { kind: 'stall', atByte: 10 }],
  ['a wait', { kind: 'manifest' }, { kind: 'busy', status: 503, retryAfter: 200 }],
] as const) {
  test(`registry R77 a deadline ends a pull that waits for ${what}, and is named`, async (t) => {
    const lab = await openLab(t, { registry: { faults: [{ match, do: action }] } });
    const reference = lab.registry.push('a/b', '1', image);
    await assert.rejects(lab.pull(reference, { signal: AbortSignal.timeout(500), platform: 'any' }), (error) => {
      assert.ok(error instanceof SluiceError);
      assert.deepEqual([error.code, error.isRetryable], ['DEADLINE', true]);
      return true;
    });
  });
}

test('registry R77 closing the client ends what is under way', async (t) => {
  await using registry = await startRegistry({ faults: [onManifest({ kind: 'hold' })] });
  const { source, client } = open(t, registry.push('a/b', '1', image));
  const reading = [1, 2, 3].map(() => assert.rejects(source.readTop(never), { code: 'ABORTED' }));
  await eventually(() => registry.requests.length > 1);
  await client.close();
  await Promise.all(reading);
  assert.equal(registry.requests.length, 2);
});

/** From now on waits last until they are woken. */
function holdSleeps(timing: FakeTiming): { readonly waiting: number[]; wake(): void } {
  const waiting: number[] = [];
  const wakes: (() => void)[] = [];
  timing.sleep = (ms) => {
    waiting.push(ms);
    return new Promise((resolve) => wakes.push(resolve));
  };
  return {
    waiting,
    wake: () => {
      for (const wake of wakes.splice(0)) wake();
    },
  };
}

async function rawServer(t: TestContext, onConnection: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
