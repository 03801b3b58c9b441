import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  buildImage,
  createRandom,
  startRegistry,
  type Fault,
  type FaultAction,
  type TestRegistry,
} from '../../src/testing/index.js';
import { requestRaw, type RawReply, type RawRequest } from './raw-client.js';

const content = createRandom(3).bytes(3000);
const image = buildImage({ layers: [{ tar: content, compression: 'none' }] });
const digest = image.layers[0]!.descriptor.digest;
const blobPath = `/v2/a/blobs/${digest}`;

async function withFaults(
  faults: readonly Fault[],
  use: (registry: TestRegistry, ask: (more?: Partial<RawRequest>) => Promise<RawReply>) => Promise<void>,
  options: Parameters<typeof startRegistry>[0] = {},
): Promise<void> {
  await using registry = await startRegistry({ ...options, faults });
  registry.push('a', '1', image);
  await use(registry, (more) => requestRaw(registry.port, { path: blobPath, ...more }));
}

/** The reply to a request that meets one fault; a Range header asks for bytes 1000 up to 1999. */
async function meet(action: FaultAction, more: Partial<RawRequest> & { ranged?: boolean } = {}): Promise<RawReply> {
  const { ranged, ...request } = more;
  let reply: RawReply | undefined;
  await withFaults([{ match: {}, do: action }], async (registry, ask) => {
    reply = await ask({ ...request, headers: { ...request.headers, ...(ranged && { range: 'bytes=1000-1999' }) } });
    assert.deepEqual(registry.requests[0]!.faults, [action.kind]);
  });
  return reply!;
}

for (const by of ['fin', 'rst'] as const) {
  for (const framing of ['keep-alive', 'connection-close', 'http-1.0'] as const) {
    test(`cut by ${by}, ${framing}`, async () => {
      for (const atByte of [0, 1, 1234]) {
        const reply = await meet({ kind: 'cut', atByte, by, framing });
        assert.equal(reply.end, by);
        assert.equal(reply.status, 200);
        assert.equal(reply.headers['content-length'], '3000');
        assert.deepEqual(reply.body, content.subarray(0, atByte));
        assert.equal(reply.head.startsWith('HTTP/1.0'), framing === 'http-1.0');
        assert.equal(reply.headers['connection'] === 'close', framing === 'connection-close');
      }
    });
  }

  test(`cut by ${by}, chunked`, async () => {
    const reply = await meet({ kind: 'cut', atByte: 16, by, framing: 'chunked' });
    assert.equal(reply.end, by);
    assert.equal(reply.headers['content-length'], undefined);
    const chunk = Buffer.concat([Buffer.from('10\r\n'), content.subarray(0, 16), Buffer.from('\r\n')]);
    assert.deepEqual(reply.body, chunk);
  });

  test(`cut by ${by}, no length`, async () => {
    const reply = await meet({ kind: 'cut', atByte: 16, by, framing: 'no-length' });
    assert.equal(reply.end, by);
    assert.equal(reply.headers['content-length'], undefined);
    assert.deepEqual(reply.body, content.subarray(0, 16));
  });

  test(`drop by ${by}`, async () => {
    const reply = await meet({ kind: 'drop', by });
    assert.equal(reply.end, by);
    assert.equal(reply.head, '');
  });
}

test('framings of a whole body', async () => {
  const open = await meet({ kind: 'framing', framing: 'keep-alive' }, { isPatient: true });
  assert.deepEqual([open.end, open.body.equals(content)], ['open', true]);
  for (const framing of ['connection-close', 'http-1.0', 'no-length'] as const) {
    const reply = await meet({ kind: 'framing', framing });
    assert.equal(reply.end, 'fin', framing);
    assert.deepEqual(reply.body, content);
    assert.equal(reply.headers['content-length'], framing === 'no-length' ? undefined : '3000');
  }
  const chunked = await meet({ kind: 'framing', framing: 'chunked' });
  assert.equal(chunked.headers['transfer-encoding'], 'chunked');
  assert.ok(chunked.body.toString('latin1').endsWith('\r\n0\r\n\r\n'));
});

test('a cut counts bytes of the reply and is logged', async () => {
  await withFaults([{ match: {}, do: { kind: 'cut', atByte: 10, by: 'fin' } }], async (registry, ask) => {
    const reply = await ask({ headers: { range: 'bytes=100-' } });
    assert.deepEqual(reply.body, content.subarray(100, 110));
    const { status, bytesSent, isFinished } = registry.requests[0]!;
    assert.deepEqual({ status, bytesSent, isFinished }, { status: 206, bytesSent: 10, isFinished: false });
  });
});

test('stall for good and for a time', async () => {
  const stuck = await meet({ kind: 'stall', atByte: 7 });
  assert.deepEqual([stuck.end, stuck.body.length], ['open', 7]);
  const silent = await meet({ kind: 'stall', atByte: 0 });
  assert.deepEqual([silent.status, silent.body.length], [200, 0]);
  const slow = await meet({ kind: 'stall', atByte: 7, forMs: 20 });
  assert.deepEqual(slow.body, content);
});

test('hold until the test says so', async () => {
  let release = (): void => undefined;
  const until = new Promise<void>((resolve) => (release = resolve));
  await withFaults([{ match: {}, do: { kind: 'hold', until } }], async (registry, ask) => {
    const waiting = ask({ idleMs: 5000, untilBytes: 3000 });
    while (registry.requests.length === 0) await new Promise(setImmediate);
    assert.equal(registry.requests[0]!.status, 0);
    release();
    assert.equal((await waiting).status, 200);
  });
  assert.equal((await meet({ kind: 'hold' })).head, '');
});

test('drip', async () => {
  const begin = performance.now();
  const reply = await meet({ kind: 'drip', bytesPerSecond: 20_000 });
  assert.deepEqual(reply.body, content);
  assert.ok(performance.now() - begin > 130);
});

test('busy, with both forms of Retry-After', async () => {
  const date = new Date('2030-01-02T03:04:05Z');
  const after = async (retryAfter?: number | Date | string): Promise<string | undefined> =>
    (await meet({ kind: 'busy', status: 429, ...(retryAfter !== undefined && { retryAfter }) })).headers['retry-after'];
  assert.equal(await after(7), '7');
  assert.equal(await after(date), 'Wed, 02 Jan 2030 03:04:05 GMT');
  assert.equal(await after('soon'), 'soon');
  assert.equal(await after(), undefined);
  const busy = await meet({ kind: 'busy', status: 503 });
  assert.equal(busy.status, 503);
  assert.match(busy.body.toString(), /UNAVAILABLE/);
});

test('refused in mid pull', async () => {
  assert.equal((await meet({ kind: 'refuse', status: 400 })).status, 400);
  const given = await meet({ kind: 'refuse', status: 401, challenge: 'Basic realm="x"' });
  assert.equal(given.headers['www-authenticate'], 'Basic realm="x"');
  const fault = { match: { kind: 'token' as const }, do: { kind: 'refuse' as const, status: 401 as const } };
  const options = { auth: { kind: 'token' as const } };
  await withFaults(
    [fault],
    async (registry) => {
      const reply = await requestRaw(registry.port, { path: '/token' });
      assert.match(reply.headers['www-authenticate']!, /^Bearer realm=/);
      const bare = { ...fault, do: { ...fault.do, challenge: null } };
      registry.addFault(bare);
      assert.equal((await requestRaw(registry.port, { path: '/token' })).headers['www-authenticate'], undefined);
    },
    options,
  );
});

test('wrong answers to a range', async () => {
  const all = await meet({ kind: 'rangeless' }, { ranged: true });
  assert.deepEqual([all.status, all.headers['content-range']], [200, undefined]);
  assert.deepEqual(all.body, content);

  const late = await meet({ kind: 'wrong-start', by: 5 }, { ranged: true });
  assert.equal(late.headers['content-range'], 'bytes 1005-1999/3000');
  assert.deepEqual(late.body, content.subarray(1005, 2000));
  const early = await meet({ kind: 'wrong-start', by: -5 }, { ranged: true });
  assert.equal(early.headers['content-range'], 'bytes 995-1999/3000');

  const short = await meet({ kind: 'short-range', bytes: 10 }, { ranged: true });
  assert.equal(short.headers['content-range'], 'bytes 1000-1009/3000');
  assert.equal(short.headers['content-length'], '10');
  assert.deepEqual(short.body, content.subarray(1000, 1010));

  const parts = await meet({ kind: 'multipart' }, { ranged: true });
  assert.equal(parts.status, 206);
  assert.match(parts.headers['content-type']!, /^multipart\/byteranges; boundary=/);
  assert.match(parts.body.toString('latin1'), /Content-Range: bytes 1000-1999\/3000/);

  const never = await meet({ kind: 'unsatisfiable' }, { ranged: true });
  assert.deepEqual([never.status, never.headers['content-range']], [416, 'bytes */3000']);
});

test('faults of ranges leave whole replies alone', async () => {
  for (const action of [
    { kind: 'wrong-start', by: 5 },
    { kind: 'short-range', bytes: 1 },
    { kind: 'multipart' },
  ] as const) {
    const reply = await meet(action);
    assert.equal(reply.status, 200);
    assert.deepEqual(reply.body, content);
  }
});

test('wrong bytes, one more, one less', async () => {
  const wrong = await meet({ kind: 'wrong-bytes', atByte: 9 });
  assert.equal(wrong.body[9], content[9]! ^ 0xff);
  assert.equal(Buffer.compare(wrong.body.subarray(10), content.subarray(10)), 0);
  const more = await meet({ kind: 'resize', by: 1 }, { isPatient: true });
  assert.deepEqual([more.headers['content-length'], more.body.length], ['3001', 3001]);
  const less = await meet({ kind: 'resize', by: -1 }, { isPatient: true });
  assert.deepEqual([less.headers['content-length'], less.body.length], ['2999', 2999]);
});

test('lying headers', async () => {
  const lies = {
    'Content-Encoding': 'gzip',
    'Docker-Content-Digest': `sha256:${'0'.repeat(64)}`,
    'Content-Type': 'text/html',
    'Content-Range': 'bytes 1-2/3',
    ETag: null,
  };
  const reply = await meet({ kind: 'headers', headers: lies }, { ranged: true });
  assert.equal(reply.headers['content-encoding'], 'gzip');
  assert.equal(reply.headers['docker-content-digest'], lies['Docker-Content-Digest']);
  assert.equal(reply.headers['content-type'], 'text/html');
  assert.equal(reply.headers['content-range'], 'bytes 1-2/3');
  assert.equal(reply.headers['etag'], undefined);
  assert.equal(reply.end, 'open');
  for (const length of ['2999', '3001']) {
    const liar = await meet({ kind: 'headers', headers: { 'content-length': length } }, { isPatient: true });
    assert.equal(liar.headers['content-length'], length);
    assert.deepEqual([liar.body.length, liar.end], [3000, 'fin']);
  }
});

test('redirects to anywhere', async () => {
  const to = async (location: string | null): Promise<string | undefined> =>
    (await meet({ kind: 'redirect', location })).headers['location'];
  assert.equal(await to('file:///etc/passwd'), 'file:///etc/passwd');
  assert.equal(await to('http://127.0.0.1:1{path}'), `http://127.0.0.1:1${blobPath}`);
  assert.equal(await to(null), undefined);
  assert.equal((await meet({ kind: 'redirect', location: '/x', status: 301 })).status, 301);
  const loop = await meet({ kind: 'redirect-loop' });
  assert.deepEqual([loop.status, loop.headers['location']], [307, blobPath]);
});

test('a chain of redirects ends at the true reply', async () => {
  for (const path of [blobPath, '/v2/a/manifests/1']) {
    const chain: Fault = {
      match: { kind: ['blob', 'manifest'] },
      do: { kind: 'redirect-chain', hops: 3, status: 302 },
    };
    await withFaults([chain], async (registry) => {
      let reply = await requestRaw(registry.port, { path });
      let hops = 0;
      while (reply.status === 302) {
        hops++;
        reply = await requestRaw(registry.port, { path: reply.headers['location']! });
      }
      assert.deepEqual([hops, reply.status], [3, 200]);
      assert.deepEqual(reply.body, path === blobPath ? content : image.manifest.bytes);
    });
  }
});

test('a redirect’s target expires from a byte on, the next one works', async () => {
  const fault: Fault = { match: { kind: 'target' }, do: { kind: 'expire', fromByte: 1000 } };
  await withFaults(
    [fault],
    async (registry, ask) => {
      const targetOf = async (): Promise<string> => (await ask()).headers['location']!;
      const status = async (path: string, start: number): Promise<number> =>
        (await requestRaw(registry.port, { path, headers: { range: `bytes=${start}-` } })).status;
      const first = await targetOf();
      assert.equal(await status(first, 999), 206);
      assert.equal(await status(first, 1000), 403);
      assert.equal(await status(first, 999), 206);
      const second = await targetOf();
      assert.equal(await status(second, 1000), 206);
      assert.equal(await status(first, 2000), 403);
    },
    { redirect: { to: 'path' } },
  );
});

test('endless bodies', async () => {
  const reply = await meet({ kind: 'endless', start: '{"a":"', filler: 'xy' }, { untilBytes: 3_000_000 });
  assert.equal(reply.status, 200);
  assert.equal(reply.headers['content-length'], undefined);
  assert.match(reply.body.toString('latin1', 0, 100), /\{"a":"\r\n/);
  assert.ok(reply.body.length > 2_900_000);
  const error = await meet({ kind: 'endless', status: 500 }, { untilBytes: 1_000_000 });
  assert.equal(error.status, 500);
});

test('fixed replies and raw bytes', async () => {
  const reply = await meet({ kind: 'reply', status: 418, headers: { 'x-a': 'b' }, body: 'tea' });
  assert.deepEqual([reply.status, reply.headers['x-a'], reply.body.toString()], [418, 'b', 'tea']);
  const raw = await meet({ kind: 'raw', bytes: 'SSH-2.0\r\n' });
  assert.deepEqual([raw.head, raw.end], ['SSH-2.0\r\n', 'fin']);
});

test('a HEAD never gets a body', async () => {
  for (const action of [
    { kind: 'cut', atByte: 5, by: 'fin' },
    { kind: 'endless' },
    { kind: 'headers', headers: { 'content-length': '7' } },
    { kind: 'wrong-bytes' },
  ] as const) {
    assert.equal((await meet(action, { method: 'HEAD', isPatient: true })).body.length, 0, action.kind);
  }
});

test('matching by method, path, kind and range', async () => {
  const reply = (status: number): FaultAction => ({ kind: 'reply', status });
  const faults: Fault[] = [
    { match: { method: 'HEAD' }, do: reply(460) },
    { match: { path: /manifests\/\d$/ }, do: reply(461) },
    { match: { path: '?ns=' }, do: reply(462) },
    { match: { kind: 'config' }, do: reply(463) },
    { match: { kind: ['ping', 'tags'] }, do: reply(464) },
    { match: { hasRange: true }, do: reply(465) },
  ];
  await withFaults(faults, async (registry, ask) => {
    const status = async (request: Partial<RawRequest>): Promise<number> => (await ask(request)).status;
    assert.equal(await status({ method: 'HEAD' }), 460);
    assert.equal(await status({ path: '/v2/a/manifests/1' }), 461);
    assert.equal(await status({ path: `${blobPath}?ns=x` }), 462);
    assert.equal(await status({ path: `/v2/a/blobs/${image.config.descriptor.digest}` }), 463);
    assert.equal(await status({ path: '/v2/' }), 464);
    assert.equal(await status({ path: '/v2/a/tags/list' }), 464);
    assert.equal(await status({ headers: { range: 'bytes=0-1' } }), 465);
    assert.equal(await status({}), 200);
    registry.clearFaults();
    assert.equal(await status({ path: '/v2/' }), 200);
  });
});

test('nth counts the matching requests; faults add up', async () => {
  const faults: Fault[] = [
    { match: { kind: 'blob' }, nth: 2, do: { kind: 'wrong-bytes' } },
    { match: { kind: 'blob' }, nth: [2, 3], do: { kind: 'cut', atByte: 1, by: 'fin' } },
  ];
  await withFaults(faults, async (registry, ask) => {
    await requestRaw(registry.port, { path: '/v2/' });
    const bodies = [await ask(), await ask(), await ask(), await ask()].map(({ body }) => body);
    assert.deepEqual(
      bodies.map(({ length }) => length),
      [3000, 1, 1, 3000],
    );
    assert.equal(bodies[1]![0], content[0]! ^ 0xff);
    assert.equal(bodies[2]![0], content[0]);
    const takeOut = registry.addFault({ match: {}, do: { kind: 'drop', by: 'fin' } });
    assert.equal((await ask()).head, '');
    takeOut();
    assert.equal((await ask()).status, 200);
  });
});
