import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { digestOf } from '../../../src/oci/digest.js';
import {
  buildImage,
  type ConnectionEnd,
  type Fault,
  type FaultAction,
  file,
  type Framing,
  layer,
  startRegistry,
  type TestRegistry,
} from '../../../src/testing/index.js';
import {
  eventually,
  never,
  notBulk,
  open,
  openBlob,
  type Opened,
  readInParts,
  readRange,
  testBytes,
} from '../../source/registry/setup.js';

const MIB = 1024 * 1024;
const image = buildImage({ layers: [{ tar: layer(file('hello', 'world')) }] });

interface Served extends Opened {
  readonly registry: TestRegistry;
}

/** A registry with one blob and a source that leads to it. */
async function serve(t: TestContext, bytes: Uint8Array, ...faults: Fault[]): Promise<Served> {
  const registry = await startRegistry({ faults });
  t.after(() => registry.close());
  registry.pushBlob('a/b', digestOf(bytes), bytes);
  return { registry, ...open(t, `${registry.host}/a/b:1`) };
}

function onBlob(action: FaultAction, nth?: Fault['nth']): Fault {
  return { match: { kind: 'blob' }, ...(nth !== undefined && { nth }), do: action };
}

function rangesOf(registry: TestRegistry): (string | undefined)[] {
  return registry.requestsOf('blob').map(({ headers }) => headers.range);
}

// R78

test('registry R78 a blob that fits one range is asked for whole, a longer one in ranges', async (t) => {
  const small = testBytes(4 * MIB);
  const { registry, source } = await serve(t, small);
  assert.ok((await readRange(await openBlob(source, small), 0, small.length)).equals(small));
  assert.deepEqual(rangesOf(registry), [undefined]);
  const large = testBytes(4 * MIB + 1, 7);
  registry.pushBlob('a/b', digestOf(large), large);
  registry.clearRequests();
  assert.ok((await readInParts(await openBlob(source, large), large.length, 4 * MIB)).equals(large));
  assert.deepEqual(rangesOf(registry), ['bytes=0-4194303', 'bytes=4194304-4194304']);
});

test('registry R78 nothing is asked for before it is read', async (t) => {
  const bytes = testBytes(10 * MIB);
  const { registry, source } = await serve(t, bytes);
  const reader = await openBlob(source, bytes);
  await readRange(reader, 0, MIB);
  assert.deepEqual(rangesOf(registry), ['bytes=0-1048575']);
  await readRange(reader, 5 * MIB, 6 * MIB);
  assert.equal(
    registry.requestsOf('blob').reduce((sum, { bytesSent }) => sum + bytesSent, 0),
    2 * MIB,
  );
});

const CLOSED_FRAMINGS: readonly Framing[] = ['connection-close', 'http-1.0', 'no-length', 'chunked', 'keep-alive'];

for (const framing of CLOSED_FRAMINGS) {
  for (const by of ['fin', 'rst'] as const) {
    test(`registry R78 a slow reader whose peer closes (${framing}, ${by}) does not end the process`, async (t) => {
      const bytes = testBytes(512 * 1024);
      const { source } = await serve(t, bytes, onBlob({ kind: 'cut', atByte: 300_000, by, framing }, 1));
      const reader = await openBlob(source, bytes);
      const chunks: Buffer[] = [];
      const slowly = (chunk: Uint8Array): void => {
        chunks.push(Buffer.from(chunk));
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3);
      };
      await reader.read(0, bytes.length, slowly, never);
      assert.ok(Buffer.concat(chunks).equals(bytes));
    });
  }
}

// R79

for (const [what, sizeMib, isOnDisk] of [
  ['in memory', 6, false],
  ['in a spill file', 20, true],
] as const) {
  test(`registry R79 a host that answers 200 to a range is read ${what}`, async (t) => {
    const bytes = testBytes(sizeMib * MIB + 3);
    const { registry, source, spillDirectory } = await serve(t, bytes, onBlob({ kind: 'rangeless' }));
    const reader = await openBlob(source, bytes);
    const first = await readRange(reader, 0, MIB);
    await eventually(() => registry.requestsOf('blob')[0]?.isFinished === true);
    assert.equal((await spillFilesOf()).length > 0, isOnDisk);
    assert.deepEqual(readdirSync(spillDirectory), []);
    const rest: Buffer[] = [];
    for (let at = MIB; at < bytes.length; at += MIB) {
      rest.push(await readRange(reader, at, Math.min(bytes.length, at + MIB)));
    }
    assert.ok(Buffer.concat([first, ...rest]).equals(bytes));
    assert.deepEqual(rangesOf(registry), ['bytes=0-1048575']);
    await reader.close();
    assert.deepEqual(await spillFilesOf(), []);
  });
}

test('registry R79 two reads at once wait for the one answer that tells', async (t) => {
  const bytes = testBytes(12 * MIB);
  const { registry, source } = await serve(t, bytes, onBlob({ kind: 'rangeless' }));
  const reader = await openBlob(source, bytes);
  assert.ok((await readInParts(reader, bytes.length, MIB, 3)).equals(bytes));
  assert.equal(registry.requestsOf('blob').length, 1);
});

test('registry R79 the host is remembered: the next blob is asked for whole', async (t) => {
  const [one, two] = [testBytes(5 * MIB), testBytes(6 * MIB, 9)];
  const { registry, source, client } = await serve(t, one, onBlob({ kind: 'rangeless' }));
  registry.pushBlob('a/b', digestOf(two), two);
  assert.ok((await readInParts(await openBlob(source, one), one.length, MIB)).equals(one));
  const other = open(t, `${registry.host}/a/b:1`, { client });
  assert.ok((await readInParts(await openBlob(other.source, two), two.length, MIB)).equals(two));
  assert.deepEqual(rangesOf(registry), ['bytes=0-1048575', undefined]);
});

test('registry R79 a whole body that breaks goes on where it was', async (t) => {
  const bytes = testBytes(12 * MIB);
  const { registry, source } = await serve(
    t,
    bytes,
    onBlob({ kind: 'rangeless' }, 1),
    onBlob({ kind: 'cut', atByte: 3 * MIB, by: 'rst' }, 1),
  );
  const reader = await openBlob(source, bytes);
  assert.ok((await readInParts(reader, bytes.length, MIB)).equals(bytes));
  const [first, second, ...more] = rangesOf(registry);
  assert.deepEqual([first, more], ['bytes=0-1048575', []]);
  assert.match(second ?? '', /^bytes=\d+-12582911$/);
});

test('registry R79 a disk that fails ends the reads with a failure of the store', async (t) => {
  const bytes = testBytes(20 * MIB);
  const { registry, source, spillDirectory } = await serve(t, bytes, onBlob({ kind: 'rangeless' }));
  rmSync(spillDirectory, { recursive: true });
  const reader = await openBlob(source, bytes);
  await readRange(reader, 0, 16);
  await assert.rejects(readRange(reader, 19 * MIB, 20 * MIB), { code: 'STORE_FAILED' });
  await assert.rejects(readRange(reader, 18 * MIB, 19 * MIB), { code: 'STORE_FAILED' });
  assert.equal(registry.requestsOf('blob').length, 1);
});

// R80

const SIZE = 3072;
const ENDS: readonly ConnectionEnd[] = ['fin', 'rst'];
const FRAMINGS: readonly Framing[] = ['keep-alive', 'connection-close', 'http-1.0', 'chunked', 'no-length'];

/** A blob has five tries without progress, so one download can be cut four times. */
const CUTS = 4;

for (const framing of FRAMINGS) {
  for (const by of ENDS) {
    test(`registry R80 a body cut at every byte is resumed there (${framing}, ${by})`, async (t) => {
      const bytes = testBytes(SIZE);
      const server = await cutServer(t, bytes, { framing, by });
      const { source } = open(t, `${server.host}/a/b:1`);
      for (let first = 0; first < SIZE / CUTS; first++) {
        const cuts = Array.from({ length: CUTS }, (_, index) => first + (index * SIZE) / CUTS);
        const replies = server.begin(cuts);
        const reader = await openBlob(source, bytes);
        assert.ok((await readRange(reader, 0, SIZE)).equals(bytes), `cut at ${cuts}`);
        await reader.close();
        // In order, all that was sent arrives; a reset may take away bytes on their way.
        if (by === 'fin') assert.deepEqual(replies, [[0, cuts[0]], ...pairs(cuts), [cuts.at(-1), SIZE]]);
        for (const [index, [start]] of replies.entries()) assert.ok(start <= (replies[index - 1]?.[1] ?? 0));
        const repeated = replies.reduce((sum, [start, end]) => sum + end - start, 0) - SIZE;
        assert.ok(repeated <= cuts.reduce((sum, cut) => sum + cut, 0), `${repeated} bytes twice`);
      }
    });
  }
}

test('registry R80 every range in flight resumes by itself', async (t) => {
  const bytes = testBytes(6 * MIB);
  const { registry, source } = await serve(t, bytes, onBlob({ kind: 'cut', atByte: 100_000, by: 'fin' }, [1, 2]));
  const reader = await openBlob(source, bytes);
  assert.ok((await readInParts(reader, bytes.length, 3 * MIB)).equals(bytes));
  assert.deepEqual(rangesOf(registry).toSorted(), [
    'bytes=0-3145727',
    'bytes=100000-3145727',
    'bytes=3145728-6291455',
    'bytes=3245728-6291455',
  ]);
});

test('registry R80 all bytes received twice are at most those of the cuts', async (t) => {
  const bytes = testBytes(8 * MIB);
  const { registry, source } = await serve(t, bytes, onBlob({ kind: 'cut', atByte: 200_000, by: 'fin' }));
  const reader = await openBlob(source, bytes);
  assert.ok((await readInParts(reader, bytes.length, 4 * MIB)).equals(bytes));
  const sent = registry.requestsOf('blob').reduce((sum, { bytesSent }) => sum + bytesSent, 0);
  assert.ok(sent <= bytes.length * 1.01, `${sent} bytes`);
});

// R81

const WRONG_PARTS: readonly (readonly [what: string, action: FaultAction])[] = [
  ['a wrong start', { kind: 'wrong-start', by: 5 }],
  ['no Content-Range', { kind: 'headers', headers: { 'content-range': null } }],
  ['a wrong total', { kind: 'headers', headers: { 'content-range': 'bytes 0-1048575/9999999' } }],
  ['a longer range', { kind: 'headers', headers: { 'content-range': 'bytes 0-1048576/5242880' } }],
  ['several parts', { kind: 'multipart' }],
  ['a 416', { kind: 'unsatisfiable' }],
];

for (const [what, action] of WRONG_PARTS) {
  test(`registry R81 R83 a range answered with ${what} is dropped, and the blob asked for whole`, async (t) => {
    const bytes = testBytes(5 * MIB);
    const { registry, source, timing } = await serve(t, bytes, { match: { kind: 'blob', hasRange: true }, do: action });
    const reader = await openBlob(source, bytes);
    assert.ok((await readInParts(reader, bytes.length, MIB)).equals(bytes));
    assert.deepEqual(rangesOf(registry), ['bytes=0-1048575', undefined]);
    assert.deepEqual(timing.sleeps, []);
  });
}

test('registry R81 a shorter range is taken and the rest asked for', async (t) => {
  const bytes = testBytes(5 * MIB);
  const { registry, source, timing } = await serve(t, bytes, onBlob({ kind: 'short-range', bytes: 600_000 }));
  const reader = await openBlob(source, bytes);
  assert.ok((await readRange(reader, 0, MIB)).equals(bytes.subarray(0, MIB)));
  assert.deepEqual(rangesOf(registry), ['bytes=0-1048575', 'bytes=600000-1048575']);
  assert.deepEqual(timing.sleeps, []);
});

// R82

test('registry R82 of a whole body after a cut the beginning is thrown away', async (t) => {
  const bytes = testBytes(SIZE);
  const { registry, source } = await serve(
    t,
    bytes,
    onBlob({ kind: 'cut', atByte: 1000, by: 'fin' }, 1),
    onBlob({ kind: 'rangeless' }, 2),
  );
  assert.ok((await readRange(await openBlob(source, bytes), 0, SIZE)).equals(bytes));
  assert.deepEqual(rangesOf(registry), [undefined, 'bytes=1000-3071']);
});

test('registry R82 a host that always begins anew is given up after three times', async (t) => {
  const bytes = testBytes(MIB);
  const cuts = [1, 2, 3, 4, 5, 6].map((nth) => onBlob({ kind: 'cut', atByte: nth * 100_000, by: 'fin' }, nth));
  const { registry, source } = await serve(t, bytes, onBlob({ kind: 'rangeless' }), ...cuts);
  await assert.rejects(readRange(await openBlob(source, bytes), 0, MIB), ({ code, detail }) => {
    assert.deepEqual([code, detail.rule], ['BLOB_INCOMPLETE', 'registry R82']);
    return true;
  });
  assert.equal(registry.requestsOf('blob').length, 5);
});

// R83

test('registry R83 a 416 to a whole request is no registry', async (t) => {
  const bytes = testBytes(5 * MIB);
  const { registry, source } = await serve(t, bytes, onBlob({ kind: 'unsatisfiable' }));
  await assert.rejects(readRange(await openBlob(source, bytes), 0, MIB), { code: 'PROTOCOL_ERROR' });
  assert.deepEqual(rangesOf(registry), ['bytes=0-1048575', undefined]);
});

test('registry R83 a 416 in the middle leads to a whole body whose beginning is skipped', async (t) => {
  const bytes = testBytes(5 * MIB);
  const { registry, source } = await serve(
    t,
    bytes,
    onBlob({ kind: 'cut', atByte: 500_000, by: 'fin' }, 1),
    onBlob({ kind: 'unsatisfiable' }, 2),
  );
  const reader = await openBlob(source, bytes);
  assert.ok((await readInParts(reader, bytes.length, MIB, 1)).equals(bytes));
  assert.deepEqual(rangesOf(registry), ['bytes=0-1048575', 'bytes=500000-1048575', undefined]);
});

// R84

for (const by of ENDS) {
  for (const framing of ['chunked', 'keep-alive'] as const) {
    test(`registry R84 an error behind the last byte is none (${framing}, ${by})`, async (t) => {
      const bytes = testBytes(SIZE);
      const { registry, source, timing } = await serve(t, bytes, onBlob({ kind: 'cut', atByte: SIZE, by, framing }));
      const reading = readRange(await openBlob(source, bytes), 0, SIZE);
      if (by === 'fin') {
        assert.ok((await reading).equals(bytes));
        assert.equal(registry.requestsOf('blob').length, 1);
        assert.deepEqual(timing.sleeps, []);
        return;
      }
      // A reset may take away what was sent before it; what was received counts.
      await reading.then(
        (all) => assert.ok(all.equals(bytes)),
        (error) => assert.equal(error.code, 'BLOB_INCOMPLETE'),
      );
    });
  }
}

// R85

test('registry R85 another ETag after a cut is worth a debug notice alone, and no If-Range is sent', async (t) => {
  const bytes = testBytes(SIZE);
  const { registry, source, notices } = await serve(
    t,
    bytes,
    onBlob({ kind: 'cut', atByte: 1000, by: 'fin' }, 1),
    onBlob({ kind: 'headers', headers: { etag: '"another"' } }, 2),
  );
  assert.ok((await readRange(await openBlob(source, bytes), 0, SIZE)).equals(bytes));
  assert.deepEqual(
    notices.map(({ level }) => level),
    ['debug'],
  );
  for (const { headers } of registry.requests) assert.equal(headers['if-range'], undefined);
});

// R88

test('registry R88 an encoded blob is taken as it is', async (t) => {
  const bytes = testBytes(SIZE);
  const { source } = await serve(t, bytes, onBlob({ kind: 'headers', headers: { 'content-encoding': 'gzip' } }));
  assert.ok((await readRange(await openBlob(source, bytes), 0, SIZE)).equals(bytes));
});

test('registry R88 R96 a second reader asks for the whole at once, and for no transformation', async (t) => {
  const bytes = testBytes(5 * MIB);
  const { registry, source } = await serve(t, bytes);
  const access = await source.locateBlob({ mediaType: 'x', digest: digestOf(bytes), size: bytes.length }, never);
  assert.ok(access.kind === 'remote');
  access.openReader(notBulk);
  assert.ok((await readInParts(access.openReader(notBulk), bytes.length, MIB)).equals(bytes));
  assert.deepEqual(
    registry.requestsOf('blob').map(({ headers }) => [headers.range, headers['cache-control']]),
    [[undefined, 'no-transform']],
  );
});

test('registry R88 an encoded document is asked for once more without a transformation', async (t) => {
  const headers = { 'content-encoding': 'gzip' };
  const registry = await startRegistry({ faults: [{ match: {}, nth: 1, do: { kind: 'headers', headers } }] });
  t.after(() => registry.close());
  const { source } = open(t, registry.push('a/b', '1', image));
  const document = await source.readTop(never);
  assert.ok(Buffer.from(document.bytes).equals(image.manifest.bytes));
  assert.deepEqual(
    registry.requests.map((request) => request.headers['cache-control']),
    [undefined, 'no-transform'],
  );
  registry.addFault({ match: {}, do: { kind: 'headers', headers } });
  await assert.rejects(source.readTop(never), { code: 'PROTOCOL_ERROR' });
});

// R89

for (const [what, action] of [
  ['a longer body than the descriptor says', { kind: 'resize', by: 1 }],
  ['a shorter body than the descriptor says', { kind: 'resize', by: -1 }],
] as const) {
  test(`registry R89 the length of ${what} is refused before its first byte`, async (t) => {
    const bytes = testBytes(SIZE);
    const { source } = await serve(t, bytes, onBlob(action));
    let received = 0;
    const reader = await openBlob(source, bytes);
    await assert.rejects(
      reader.read(0, SIZE, (chunk) => void (received += chunk.length), never),
      { code: 'SIZE_MISMATCH' },
    );
    assert.equal(received, 0);
  });
}

for (const framing of ['chunked', 'no-length', 'http-1.0'] as const) {
  test(`registry R89 a body without a length ends the read at its first byte too many (${framing})`, async (t) => {
    const bytes = testBytes(SIZE);
    const { source } = await serve(t, bytes, onBlob({ kind: 'resize', by: 1 }), onBlob({ kind: 'framing', framing }));
    let received = 0;
    const reader = await openBlob(source, bytes);
    await assert.rejects(
      reader.read(0, SIZE, (chunk) => void (received += chunk.length), never),
      { code: 'SIZE_MISMATCH' },
    );
    assert.ok(received <= SIZE);
  });

  test(`registry R89 a body without a length that ends early is a broken one (${framing})`, async (t) => {
    const bytes = testBytes(SIZE);
    const { registry, source } = await serve(
      t,
      bytes,
      onBlob({ kind: 'resize', by: -1000 }, 1),
      onBlob({ kind: 'framing', framing }, 1),
    );
    const reading = readRange(await openBlob(source, bytes), 0, SIZE);
    if (framing === 'http-1.0') return assert.rejects(reading, { code: 'SIZE_MISMATCH' });
    assert.ok((await reading).equals(bytes));
    assert.deepEqual(rangesOf(registry), [undefined, 'bytes=2072-3071']);
  });
}

test('registry R89 a body that never ends is left at its first byte too many', { timeout: 60_000 }, async (t) => {
  const bytes = testBytes(SIZE);
  const { source } = await serve(t, bytes, onBlob({ kind: 'endless' }));
  await assert.rejects(readRange(await openBlob(source, bytes), 0, SIZE), { code: 'SIZE_MISMATCH' });
});

// R90

test('registry R90 an empty blob is not asked for', async (t) => {
  const { registry, source } = await serve(t, testBytes(10));
  const reader = await openBlob(source, Buffer.alloc(0));
  assert.equal((await readRange(reader, 0, 0)).length, 0);
  assert.deepEqual(registry.requests, []);
});

// R92

for (const [left, bytesLeft, connections] of [
  ['little', 64 * 1024, 1],
  ['much', 64 * 1024 + 1, 2],
] as const) {
  test(`registry R92 a cancelled read with ${left} left ${connections === 1 ? 'keeps' : 'ends'} its connection`, async (t) => {
    const server = await heldServer(t, bytesLeft);
    const { client } = open(t, `${server.host}/a/b:1`);
    const url = new URL(`http://${server.host}/`);
    const request = {
      method: 'GET',
      url,
      firstUrl: url,
      headers: {},
      wanted: 'blob',
      host: 'x',
      guard: 'any',
    } as const;
    const controller = new AbortController();
    await assert.rejects(
      client.dispatch(request, () => () => controller.abort(), controller.signal),
      { code: 'ABORTED' },
    );
    server.release();
    await eventually(() => server.closed === 1);
    // The reply has ended on both sides, or its connection has, before the next request goes out.
    for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setTimeout(resolve, 1));
    await client.dispatch(request, () => () => 'enough', never);
    assert.equal(server.connections, connections);
  });
}

test('registry R92 R77 a cancelled read ends at once, and the others go on', async (t) => {
  const bytes = testBytes(12 * MIB);
  const { source } = await serve(t, bytes, {
    match: { path: /./, kind: 'blob' },
    nth: 2,
    do: { kind: 'stall', atByte: 1000 },
  });
  const reader = await openBlob(source, bytes);
  const controller = new AbortController();
  const first = readRange(reader, 0, 4 * MIB);
  await first;
  let received = 0;
  const stalled = reader.read(4 * MIB, 4 * MIB, (chunk) => void (received += chunk.length), controller.signal);
  const going = readRange(reader, 8 * MIB, 12 * MIB);
  await eventually(() => received > 0);
  controller.abort();
  await assert.rejects(stalled, { code: 'ABORTED' });
  assert.ok((await going).equals(bytes.subarray(8 * MIB)));
});

test('registry R92 closing a reader ends its reads', async (t) => {
  const bytes = testBytes(12 * MIB);
  const { source } = await serve(t, bytes, onBlob({ kind: 'stall', atByte: 1000 }));
  const reader = await openBlob(source, bytes);
  const reads = [readRange(reader, 0, 4 * MIB), readRange(reader, 4 * MIB, 8 * MIB)].map((read) =>
    assert.rejects(read, { code: 'ABORTED' }),
  );
  await reader.close();
  await Promise.all(reads);
  await assert.rejects(readRange(reader, 0, 1), { code: 'ABORTED' });
});

// R98

const CAPS = [
  ['manifest', 'maxManifestBytes'],
  ['config', 'maxConfigBytes'],
] as const;

for (const [asked, option] of CAPS) {
  for (const [what, action] of [
    ['with a length', null],
    ['whose body does not come', { kind: 'stall', atByte: 0 }],
    ['in chunks', { kind: 'framing', framing: 'chunked' }],
    ['that never ends', { kind: 'endless' }],
  ] as const) {
    test(`registry R98 a ${asked} above its cap, ${what}, is not read`, async (t) => {
      const registry = await startRegistry({ faults: action === null ? [] : [{ match: {}, do: action }] });
      t.after(() => registry.close());
      const { bytes, descriptor } = asked === 'manifest' ? image.manifest : image.config;
      const value = bytes.length - 1;
      const { source } = open(t, registry.push('a/b', '1', image), { caps: { [option]: value } });
      await assert.rejects(source.readDocument(descriptor, asked, never), ({ code, detail }) => {
        assert.equal(code, 'TOO_LARGE');
        assert.deepEqual(detail.limit, { option, value });
        return true;
      });
      assert.equal(registry.requests.length, 1);
    });
  }

  test(`registry R98 a ${asked} of exactly its cap is read`, async (t) => {
    const registry = await startRegistry();
    t.after(() => registry.close());
    const { bytes, descriptor } = asked === 'manifest' ? image.manifest : image.config;
    const { source } = open(t, registry.push('a/b', '1', image), { caps: { [option]: bytes.length } });
    const document = await source.readDocument(descriptor, asked, never);
    assert.ok(Buffer.from(document.bytes).equals(bytes));
  });
}

/** A server that sends the first part of a body, and the rest when it is told to; it counts who really asked. */
async function heldServer(
  t: TestContext,
  bytesLeft: number,
): Promise<{ host: string; closed: number; connections: number; release: () => void }> {
  const replies: ServerResponse[] = [];
  const counts = { closed: 0, connections: 0 };
  const sockets = new Set<Socket>();
  const server: Server = createServer((request, response) => {
    replies.push(response);
    counts.connections = sockets.add(request.socket).size;
    response.on('close', () => counts.closed++);
    response.writeHead(200, { 'content-length': 1000 + bytesLeft });
    response.write(Buffer.alloc(1000));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return Object.assign(counts, {
    host: `127.0.0.1:${port}`,
    release: () => {
      for (const reply of replies) reply.end(Buffer.alloc(bytesLeft));
    },
  });
}

interface CutServer {
  readonly host: string;
  /** Where the next bodies are cut, in bytes of the blob; the result fills with what was sent of each. */
  begin(cuts: readonly number[]): [start: number, end: number][];
}

/** A server of one blob that does nothing but cut: fast enough to be asked tens of thousands of times. */
async function cutServer(
  t: TestContext,
  bytes: Buffer,
  { framing, by }: { readonly framing: Framing; readonly by: ConnectionEnd },
): Promise<CutServer> {
  let cuts: number[] = [];
  let replies: [number, number][] = [];
  const answer = (socket: Socket, request: string): void => {
    const asked = /^range: bytes=(\d+)-/im.exec(request)?.[1];
    const start = Number(asked ?? 0);
    const cut = cuts.shift();
    const end = Math.max(start, cut ?? bytes.length);
    replies.push([start, end]);
    const isChunked = framing === 'chunked';
    const body = bytes.subarray(start, end);
    const head = [
      `HTTP/1.${framing === 'http-1.0' ? 0 : 1} ${asked === undefined ? '200 OK' : '206 Partial Content'}`,
      ...(asked === undefined ? [] : [`content-range: bytes ${start}-${bytes.length - 1}/${bytes.length}`]),
      ...(isChunked ? ['transfer-encoding: chunked'] : []),
      ...(isChunked || framing === 'no-length' ? [] : [`content-length: ${bytes.length - start}`]),
      ...(framing === 'connection-close' || framing === 'no-length' ? ['connection: close'] : []),
    ].join('\r\n');
    const chunk = isChunked && body.length > 0 ? [`${body.length.toString(16)}\r\n`, body, '\r\n'] : [body];
    const last = isChunked && cut === undefined ? ['0\r\n\r\n'] : [];
    const parts = [`${head}\r\n\r\n`, ...chunk, ...last].map((part) => Buffer.from(part));
    const isEnded = cut !== undefined || (framing !== 'keep-alive' && !isChunked);
    socket.write(Buffer.concat(parts), () => {
      if (cut !== undefined && by === 'rst') socket.resetAndDestroy();
      else if (isEnded) socket.destroySoon();
    });
  };
  const server = createTcpServer((socket) => {
    let request = '';
    socket.setNoDelay(true).on('error', () => undefined);
    socket.on('data', (chunk) => {
      request += chunk.toString('latin1');
      if (!request.endsWith('\r\n\r\n')) return;
      answer(socket, request);
      request = '';
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => void server.close());
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    begin: (next) => {
      cuts = [...next];
      replies = [];
      return replies;
    },
  };
}

function pairs(cuts: readonly number[]): [number, number][] {
  return cuts.slice(1).map((cut, index) => [cuts[index] ?? 0, cut]);
}

/** Files without a name that this process holds open for a spill. */
async function spillFilesOf(): Promise<string[]> {
  const list =
    'for (const f of fs.readdirSync(process.argv[1])) try { console.log(fs.readlinkSync(process.argv[1] + "/" + f)) } catch {}';
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', list, `/proc/${process.pid}/fd`]);
  return stdout.split('\n').filter((line) => /\/spill\.[0-9a-f]+ \(deleted\)$/.test(line));
}
