import type { CaseLine, RunRecord, SampleLine } from '../../bench/record.js';

const MiB = 1024 * 1024;

/** A run that never was: two cases with contenders of every kind, one that is missing and one that leaves another tree. */
export const RECORDS: readonly RunRecord[] = [
  {
    kind: 'run',
    version: '0.0.0',
    commit: 'c0ffee',
    cpu: 'A <CPU> & more',
    cores: 2,
    memoryBytes: 8 * 1024 * MiB,
    kernel: '6.1',
    node: 'v20.18.1',
    fileSystem: 'tmpfs',
    isRoot: true,
    decoders: ['zlib'],
    hasPipelines: false,
    date: '2026-01-01T00:00:00.000Z',
    command: 'npm run bench --',
    rounds: 3,
    scale: 1,
  },
  caseLine('three-layers', 'Three layers'),
  ...samples('three-layers', 'sluice', [9, 2, 1, 3], 'aa'.repeat(32)),
  ...samples('three-layers', 'sluice-zlib', [9, 2.5, 2.5, 2.5], 'aa'.repeat(32)),
  ...samples('three-layers', 'other', [0, 4, 4, 5], 'aa'.repeat(32)),
  ...samples('three-layers', 'lazy', [0, 0.5, 0.5, 0.5], 'bb'.repeat(32)),
  {
    kind: 'left-out',
    case: 'three-layers',
    contender: 'absent',
    why: 'missing',
    reason: 'the program x is not installed',
  },
  caseLine('micro-tar', 'Micro: tar'),
  ...samples('micro-tar', 'sluice', [0.02, 0.02, 0.02, 0.02], null),
  ...samples('micro-tar', 'other', [0.06, 0.06, 0.06, 0.06], null),
  ...samples('micro-tar', 'lazy', [0.04], null),
  { kind: 'left-out', case: 'micro-tar', contender: 'lazy', why: 'failed', reason: 'it ended | with status 1' },
];

function caseLine(id: string, title: string): CaseLine {
  const contenders = [
    { id: 'sluice', title: 'Sluice', isOurs: true },
    { id: 'sluice-zlib', title: 'Sluice zlib', isOurs: true },
    { id: 'other', title: 'other & slow', isOurs: false },
    { id: 'lazy', title: 'lazy', isOurs: false },
    { id: 'absent', title: 'absent', isOurs: false },
  ];
  return { kind: 'case', id, title, question: 'How long?', fairness: 'All do the same.', contenders };
}

function samples(name: string, contender: string, seconds: readonly number[], digest: string | null): SampleLine[] {
  return seconds.map((one, round) => ({
    kind: 'sample',
    case: name,
    contender,
    round,
    seconds: one,
    cpuSeconds: one / 2,
    peakBytes: (round + 1) * MiB,
    entries: 1234,
    bytes: 5 * MiB,
    digest,
  }));
}
