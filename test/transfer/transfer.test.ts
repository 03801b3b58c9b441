import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { SluiceError } from '../../src/errors.js';
import { Events, type SluiceEvent } from '../../src/events.js';
import { createFlights } from '../../src/flights.js';
import { native } from '../../src/native.js';
import type { Digest } from '../../src/oci/digest.js';
import type { ResolvedImage } from '../../src/oci/manifest.js';
import { parsePullOptions, type PullOptions } from '../../src/options.js';
import type { BlobAccess, Source } from '../../src/source/source.js';
import type { StoredLayer } from '../../src/store/types.js';
import {
  buildImage,
  createRandom,
  dir,
  file,
  hardlink,
  layer,
  symlink,
  type TestImage,
} from '../../src/testing/index.js';
import { openPool } from '../../src/transfer/pool.js';
import type { Pipeline, StatFormat } from '../../src/transfer/protocol.js';
import { createSchedule } from '../../src/transfer/schedule.js';
import { distinctLayers, transferLayers, type Engine, type Transfer } from '../../src/transfer/transfer.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { openTestStore } from '../store/fixtures.js';

/** Registers a test for layers in one thread each, and one for layers in two. */
function bothWays(title: string, work: (t: TestContext) => Promise<void>): void {
  for (const pipeline of ['one', 'split'] as const) {
    test(`${title}: ${pipeline}`, async (t) => {
      pipelines.set(t, pipeline);
      await work(t);
    });
  }
}

const pipelines = new WeakMap<TestContext, Pipeline>();

type Read = (offset: number, length: number, sink: (chunk: Uint8Array) => void, signal: AbortSignal) => Promise<void>;

interface FakeBlob {
  readonly bytes: Uint8Array;
  /** Counts from 0: which of the blob's readers this is. */
  readonly turn: number;
}

interface FakeSource extends Source {
  readonly opened: Digest[];
  /** Readers that were opened and not closed. */
  readonly openReaders: () => number;
}

/** Serves layers from memory; `read` may answer a range in its own way. */
function remoteSource(image: TestImage, read: (blob: FakeBlob) => Read = inChunks): FakeSource {
  const opened: Digest[] = [];
  let readers = 0;
  return {
    ...NO_DOCUMENTS,
    opened,
    openReaders: () => readers,
    locateBlob: async ({ digest }): Promise<BlobAccess> => ({
      kind: 'remote',
      openReader: () => {
        const bytes = image.blobs.get(digest) ?? assert.fail(`no blob ${digest}`);
        const turn = opened.filter((other) => other === digest).length;
        opened.push(digest);
        readers++;
        return { read: read({ bytes, turn }), close: async () => void readers-- };
      },
    }),
  };
}

const NO_DOCUMENTS = {
  peekDigest: async () => null,
  readTop: async () => assert.fail('a transfer reads no document'),
  readDocument: async () => assert.fail('a transfer reads no document'),
  [Symbol.asyncDispose]: async () => undefined,
};

/** Hands a range over in pieces of 1000 bytes, a turn of the loop between each. */
function inChunks({ bytes }: FakeBlob): Read {
  return async (offset, length, sink, signal) => {
    for (let at = offset; at < offset + length; at += 1000) {
      if (signal.aborted) throw new SluiceError('ABORTED', 'cancelled');
      sink(bytes.subarray(at, Math.min(at + 1000, offset + length)));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
}

/** Never answers, until it is cancelled. */
const hanging: Read = (_offset, _length, _sink, signal) =>
  new Promise((_, reject) => {
    const cancel = (): void => reject(new SluiceError('ABORTED', 'cancelled'));
    if (signal.aborted) cancel();
    else signal.addEventListener('abort', cancel, { once: true });
  });

/** Serves layers from one file for all, each at its own offset. */
function fileSource(t: TestContext, image: TestImage): Source {
  const path = join(temporaryDirectory(t), 'blobs');
  writeFileSync(path, Buffer.concat([Buffer.from('head'), ...image.layers.map(({ bytes }) => bytes)]));
  return {
    ...NO_DOCUMENTS,
    locateBlob: async ({ digest }) => {
      const index = image.layers.findIndex(({ descriptor }) => descriptor.digest === digest);
      const offset = image.layers.slice(0, index).reduce((sum, { bytes }) => sum + bytes.length, 4);
      return { kind: 'file', path, offset, length: image.layers[index]!.bytes.length };
    },
  };
}

interface Lab {
  readonly engine: Engine;
  readonly home: string;
  readonly events: SluiceEvent[];
  run(
    image: TestImage,
    source: Source,
    options?: PullOptions & { readonly signal?: AbortSignal; readonly stat?: StatFormat },
  ): Promise<readonly StoredLayer[]>;
  /** Names in a directory of the home. */
  list(directory: string): readonly string[];
}

async function openLab(t: TestContext, jobs = 2): Promise<Lab> {
  const store = await openTestStore(t);
  const pool = openPool(2 * jobs);
  t.after(async () => {
    await pool[Symbol.asyncDispose]();
  });
  const engine: Engine = {
    store,
    pool,
    schedule: createSchedule(jobs, 2),
    layerFlights: createFlights(),
    jobs,
    walk: false,
  };
  const events: SluiceEvent[] = [];
  const location = await store.location();
  return {
    engine,
    home: store.home,
    events,
    list: (directory) => readdirSync(join(store.home, directory)),
    run: async (image, source, { stat = 'containers', ...options } = {}) => {
      const emitter = new Events();
      emitter.subscribe((event) => void events.push(event));
      const transfer: Transfer = {
        engine,
        source,
        location,
        stat,
        isBulk: () => false,
        settings: parsePullOptions({ sync: false, pipeline: pipelines.get(t) ?? 'auto', ...options }),
        image: 'test.example/image:1',
        events: emitter,
        signal: options.signal ?? new AbortController().signal,
      };
      return transferLayers(resolved(image), transfer);
    },
  };
}

/** As much of a resolved image as a transfer looks at. */
function resolved({ layers }: TestImage): ResolvedImage {
  return { layers: layers.map(({ descriptor, diffId }) => ({ descriptor, diffId })) } as unknown as ResolvedImage;
}

const random = createRandom(21);

function bigLayer(name: string, bytes: number): Buffer {
  return layer(
    dir(name),
    file(`${name}/data`, random.bytes(bytes)),
    hardlink(`${name}/link`, `${name}/data`),
    symlink(`${name}/s`, 'data'),
  );
}

const IMAGE = buildImage({
  layers: [
    { tar: bigLayer('a', 2_000_000) },
    { tar: bigLayer('b', 300_000), compression: 'none' },
    { tar: layer(file('c', 'x')) },
  ],
});

const kinds = (events: readonly SluiceEvent[], ...wanted: readonly string[]): readonly string[] =>
  events.map(({ kind }) => kind).filter((kind) => wanted.includes(kind));

const digests = (layers: readonly { readonly digest: string }[]): readonly string[] =>
  layers.map(({ digest }) => digest).toSorted();

bothWays('extraction S23 ring and file give the same layers and sidecars', async (t) => {
  const sidecars = [];
  for (const source of [remoteSource(IMAGE), fileSource(t, IMAGE)]) {
    const lab = await openLab(t);
    const stored = await lab.run(IMAGE, source);
    assert.deepEqual(digests(stored), IMAGE.layers.map(({ descriptor }) => descriptor.digest).toSorted());
    assert.deepEqual(lab.list('staging'), []);
    assert.deepEqual(kinds(lab.events, 'layer-start', 'layer-done', 'layer-failed').toSorted(), [
      ...Array(3).fill('layer-done'),
      ...Array(3).fill('layer-start'),
    ]);
    sidecars.push(
      IMAGE.layers.map(({ descriptor }) =>
        readFileSync(join(lab.home, 'layers', `${descriptor.digest}.mtree`), 'latin1'),
      ),
    );
    for (const { path, unpackedBytes, packedBytes, digest } of stored) {
      const wanted = IMAGE.layers.find(({ descriptor }) => descriptor.digest === digest)!;
      assert.deepEqual([unpackedBytes, packedBytes], [wanted.tar.length, wanted.bytes.length]);
      assert.ok(existsSync(path));
    }
  }
  assert.deepEqual(sidecars[0], sidecars[1]);
});

bothWays('extraction S20 a layer twice in an image is brought once', async (t) => {
  const tar = layer(file('f', 'x'));
  const image = buildImage({ layers: [{ tar }, { tar: layer(file('g', 'y')) }, { tar }] });
  const lab = await openLab(t);
  const source = remoteSource(image);
  assert.equal((await lab.run(image, source)).length, 2);
  assert.equal(source.opened.length, 2);
  assert.equal(distinctLayers(resolved(image)).length, 2);
});

bothWays('what is there already is not asked for again', async (t) => {
  const lab = await openLab(t);
  const first = await lab.run(IMAGE, remoteSource(IMAGE));
  const source = remoteSource(IMAGE);
  const again = await lab.run(IMAGE, source);
  assert.deepEqual([source.opened, digests(again)], [[], digests(first)]);
  assert.equal(kinds(lab.events, 'layer-present').length, 3);
});

bothWays('two transfers of one image share each layer’s flight', async (t) => {
  const lab = await openLab(t);
  const source = remoteSource(IMAGE);
  const [one, two] = await Promise.all([lab.run(IMAGE, source), lab.run(IMAGE, source)]);
  assert.deepEqual(digests(one), digests(two));
  assert.equal(source.opened.length, 3);
});

const damaged = ({ bytes }: FakeBlob): FakeBlob => {
  const other = Uint8Array.from(bytes);
  other[other.length >> 1]! ^= 1;
  return { bytes: other, turn: 0 };
};

bothWays('registry R96 a blob that arrives damaged is brought once more', async (t) => {
  const lab = await openLab(t);
  const source = remoteSource(IMAGE, (blob) => inChunks(blob.turn === 0 ? damaged(blob) : blob));
  assert.equal((await lab.run(IMAGE, source)).length, 3);
  assert.equal(source.opened.length, 6);
  assert.deepEqual([lab.list('staging'), source.openReaders()], [[], 0]);
  assert.equal(kinds(lab.events, 'notice').length, 3);
});

bothWays(
  'registry R96 a blob that arrives damaged twice is DIGEST_MISMATCH, both values named, and leaves nothing',
  async (t) => {
    const lab = await openLab(t);
    const image = buildImage({ layers: [{ tar: bigLayer('a', 100_000) }] });
    const source = remoteSource(image, (blob) => inChunks(damaged(blob)));
    await assert.rejects(lab.run(image, source), (error: SluiceError) => {
      const { digest } = image.layers[0]!.descriptor;
      assert.deepEqual(
        [error.code, error.detail.expected, error.detail.layer, error.detail.image],
        ['DIGEST_MISMATCH', digest, digest, 'test.example/image:1'],
      );
      assert.notEqual(error.detail.got, digest);
      return true;
    });
    assert.equal(source.opened.length, 2);
    assert.deepEqual([lab.list('staging'), lab.list('layers'), source.openReaders()], [[], [], 0]);
    assert.deepEqual(kinds(lab.events, 'layer-done', 'layer-failed'), ['layer-failed']);
  },
);

bothWays('extraction D5 a layer that is malformed itself is not asked for again', async (t) => {
  const lab = await openLab(t);
  const image = buildImage({ layers: [{ tar: layer(file('a/.wh.', 'x')) }] });
  const source = remoteSource(image);
  await assert.rejects(lab.run(image, source), { code: 'ENTRY_REFUSED' });
  assert.equal(source.opened.length, 1);
  assert.deepEqual([lab.list('staging'), lab.list('layers')], [[], []]);
});

bothWays('registry R67 a file whose digest is wrong is not read again', async (t) => {
  const lab = await openLab(t);
  const image = buildImage({ layers: [{ tar: layer(file('f', 'x')) }] });
  const source = fileSource(t, image);
  const path = join(temporaryDirectory(t), 'blob');
  writeFileSync(path, Buffer.alloc(image.layers[0]!.bytes.length, 7));
  await assert.rejects(
    lab.run(image, {
      ...source,
      locateBlob: async () => ({ kind: 'file', path, offset: 0, length: image.layers[0]!.bytes.length }),
    }),
    { code: 'DIGEST_MISMATCH' },
  );
  assert.equal(kinds(lab.events, 'notice').length, 0);
});

bothWays('one layer that fails cancels the others, finished ones stay', async (t) => {
  const lab = await openLab(t, 3);
  const image = buildImage({
    layers: [
      { tar: layer(file('small', 'x')) },
      { tar: bigLayer('hangs', 400_000) },
      { tar: bigLayer('fails', 200_000) },
    ],
  });
  const [small, hangs, fails] = image.layers.map(({ descriptor }) => descriptor.digest);
  const hasFinished = new Promise<void>((resolve) => {
    const look = (): void =>
      lab.events.some(({ kind }) => kind === 'layer-done') ? resolve() : void setImmediate(look);
    look();
  });
  const failure = new SluiceError('BLOB_INCOMPLETE', 'broken off');
  const source = remoteSource(image, (blob) => {
    const digest = image.layers.find(({ bytes }) => bytes === blob.bytes)?.descriptor.digest;
    if (digest === small) return inChunks(blob);
    if (digest === hangs) return hanging;
    return async (offset, _length, sink) => {
      if (offset === 0) sink(blob.bytes.subarray(0, 100));
      await hasFinished;
      throw failure;
    };
  });
  await assert.rejects(lab.run(image, source), {
    code: 'BLOB_INCOMPLETE',
    detail: { message: 'broken off', layer: fails, image: 'test.example/image:1' },
  });
  assert.deepEqual(lab.list('layers').toSorted(), [`${small}.extracted`, `${small}.mtree`]);
  assert.deepEqual([lab.list('staging'), source.openReaders()], [[], 0]);
  const failed = lab.events.flatMap((event) =>
    event.kind === 'layer-failed' ? [`${event.layer} ${event.error.code}`] : [],
  );
  assert.deepEqual(failed.toSorted(), [`${fails} BLOB_INCOMPLETE`, `${hangs} ABORTED`].toSorted());
});

bothWays('a range that fails while the ring is full fails the layer', async (t) => {
  const lab = await openLab(t);
  const image = buildImage({ layers: [{ tar: bigLayer('a', 18_000_000), compression: 'none' }] });
  let asked = 0;
  const source = remoteSource(image, (blob) => async (offset, length, sink, signal) => {
    if (++asked === 2) {
      await new Promise((resolve) => setImmediate(resolve));
      throw new SluiceError('SERVER_ERROR', 'gone');
    }
    return asked === 1 ? hanging(offset, length, sink, signal) : inChunks(blob)(offset, length, sink, signal);
  });
  await assert.rejects(lab.run(image, source), { code: 'SERVER_ERROR' });
  assert.deepEqual([lab.list('staging'), source.openReaders()], [[], 0]);
});

bothWays('an abort while bytes are awaited ends the transfer and leaves nothing', async (t) => {
  const lab = await openLab(t);
  const stop = new AbortController();
  let isAsked: () => void;
  const asked = new Promise<void>((resolve) => (isAsked = resolve));
  const source = remoteSource(IMAGE, () => (...range) => {
    isAsked();
    return hanging(...range);
  });
  const running = lab.run(IMAGE, source, { signal: stop.signal });
  await asked;
  stop.abort();
  await assert.rejects(running, { code: 'ABORTED' });
  assert.deepEqual([lab.list('staging'), lab.list('layers'), source.openReaders()], [[], [], 0]);
  assert.equal((await lab.run(IMAGE, remoteSource(IMAGE))).length, 3, 'the same store and threads go on');
});

bothWays('an abort before the start asks for nothing', async (t) => {
  const lab = await openLab(t);
  const source = remoteSource(IMAGE);
  await assert.rejects(lab.run(IMAGE, source, { signal: AbortSignal.abort() }), { code: 'ABORTED' });
  assert.deepEqual([source.opened, lab.list('staging')], [[], []]);
});

bothWays('extraction B3 a budget ends the layer while its source still sends', async (t) => {
  const lab = await openLab(t);
  const source = remoteSource(IMAGE);
  await assert.rejects(lab.run(IMAGE, source, { budget: { maxFileBytes: 1_000_000 } }), (error: SluiceError) => {
    assert.deepEqual(
      [error.code, error.detail.rule, error.detail.limit],
      ['BUDGET_EXCEEDED', 'B3', { option: 'maxFileBytes', value: 1_000_000 }],
    );
    return true;
  });
  assert.deepEqual([lab.list('staging'), source.openReaders()], [[], 0]);
});

bothWays('an empty blob and an image of many layers, with one thread and no warning of Node', async (t) => {
  const warnings: string[] = [];
  const listener = (warning: Error): void => void warnings.push(warning.message);
  process.on('warning', listener);
  t.after(() => process.off('warning', listener));
  const lab = await openLab(t, 1);
  const layers = Array.from({ length: 30 }, (_, index) => ({ tar: layer(file(`f${index}`, 'x')) }));
  const image = buildImage({ layers: [{ tar: new Uint8Array(0), compression: 'none' }, ...layers] });
  assert.equal((await lab.run(image, remoteSource(image))).length, 31);
  assert.deepEqual(warnings, []);
});

bothWays('warnings of a layer are events of its image', async (t) => {
  const lab = await openLab(t);
  const image = buildImage({ layers: [{ tar: layer(hardlink('a', 'lower')) }] });
  const [stored] = await lab.run(image, remoteSource(image));
  assert.equal(stored?.composeRequired, true);
  const warning = lab.events.find((event) => event.kind === 'warning');
  assert.deepEqual(warning && [warning.rule, warning.count, warning.image, warning.layer], [
    'H6',
    1,
    'test.example/image:1',
    image.layers[0]!.descriptor.digest,
  ]);
});

bothWays('extraction B2 B4 the layers of an image share its limits, a second try counts once', async (t) => {
  const lab = await openLab(t);
  const image = buildImage({ layers: [{ tar: layer(file('a', 'x')) }, { tar: layer(file('b', 'y')) }] });
  const sum = image.layers.reduce((bytes, { tar }) => bytes + tar.length, 0);
  const damagedOnce = remoteSource(image, (blob) => inChunks(blob.turn === 0 ? damaged(blob) : blob));
  for (const [budget, rule, option, value] of [
    [{ maxEntries: 1 }, 'B4', 'maxEntries', 1],
    [{ maxUnpackedBytes: sum - 1 }, 'B2', 'maxUnpackedBytes', sum - 1],
  ] as const) {
    const other = await openLab(t);
    await assert.rejects(other.run(image, remoteSource(image), { budget }), (error: SluiceError) => {
      assert.deepEqual(
        [error.code, error.detail.rule, error.detail.limit],
        ['BUDGET_EXCEEDED', rule, { option, value }],
      );
      return true;
    });
    assert.deepEqual(other.list('staging'), []);
  }
  assert.equal((await lab.run(image, damagedOnce, { budget: { maxEntries: 2, maxUnpackedBytes: sum } })).length, 2);
});

bothWays(
  'extraction M5 M10 a layer that is kept in another form is absent, and is brought in the form asked for',
  async (t) => {
    const lab = await openLab(t);
    const image = buildImage({ layers: [{ tar: layer(file('f', 'x', { uid: 7 })) }] });
    const forms: StatFormat[] = ['sidecar', 'sidecar', 'containers', 'libkrun', 'sidecar'];
    const asked: number[] = [];
    for (const stat of forms) {
      const source = remoteSource(image);
      const [stored] = await lab.run(image, source, { stat });
      assert.equal(stored?.stat, stat);
      const value = native().xattrGet(
        Buffer.from(join(stored.path, 'f')),
        Buffer.from('user.containers.override_stat'),
      );
      assert.equal(value?.toString() ?? null, stat === 'sidecar' ? null : '7:0:0100644');
      asked.push(source.opened.length);
    }
    assert.deepEqual(asked, [1, 0, 1, 1, 1]);
    const sidecar = readFileSync(join(lab.home, 'layers', `${image.layers[0]!.descriptor.digest}.mtree`), 'latin1');
    assert.match(sidecar, /stat=sidecar\n[^]*\n\.\/f type=file mode=0644 uid=7 /);
  },
);
