import { constants } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { ERRORS, errnoOf, fileSystemError, SluiceError, type ErrorCode } from './errors.js';
import { decoders } from './layer/inflate/open-inflater.js';
import { isZstdAvailable } from './layer/inflate/zstd.js';
import { isNativeAvailable, native } from './native.js';
import { isOurIndex } from './store/index/open.js';
import { chooseHome } from './store/layout.js';
import { probeLocation } from './store/probe.js';
import type { LocationFacts } from './store/types.js';

/** What a machine has of what Sluice needs; null: could not be found out. */
export interface MachineReport {
  readonly node: string;
  readonly cores: number;
  /** Files that this process may hold open, and that it may ask for; null: any number. */
  readonly openFiles: { readonly soft: number | null; readonly hard: number | null };
  readonly isAddonFound: boolean;
  /** Decoders of gzip, fastest first. */
  readonly decoders: readonly string[];
  /** Whether zstd layers can be read. */
  readonly isZstdFound: boolean;
  readonly hasOpenat2: boolean | null;
  readonly home: { readonly path: string; readonly exists: boolean; readonly isWritable: boolean };
  /** The one that holds the home, or would. */
  readonly fileSystem: {
    /** A name such as `ext4`, or the kernel's number. */
    readonly kind: string;
    readonly hasUserXattrs: boolean | null;
    readonly hasReflinks: boolean | null;
    /** Whether names that differ in case or normal form alone are one file. */
    readonly foldsNames: boolean | null;
  };
  /** What keeps pulls from working, each with what to do. */
  readonly problems: readonly MachineProblem[];
  /** What would make more possible, or faster. */
  readonly advice: readonly string[];
}

export interface MachineProblem {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
}

/**
 * Examines this machine. Nothing stays behind, and a home that is absent is not made.
 * @param options `home` as in {@link Sluice.open}
 * @see statfs(2) for the numbers of file systems
 */
export async function doctor(options: { readonly home?: string } = {}): Promise<MachineReport> {
  const path = await chooseHome(options, isOurIndex);
  const place = await nearestDirectory(path);
  const trial = await tryOut(place);
  const isAddonFound = isNativeAvailable();
  const isZstdFound = isZstdAvailable();
  return {
    node: process.version,
    cores: availableParallelism(),
    openFiles: await readOpenFiles(),
    isAddonFound,
    decoders: decoders(),
    isZstdFound,
    hasOpenat2: isAddonFound ? native().hasOpenat2() : null,
    home: { path, exists: place === path, isWritable: trial.isWritable },
    fileSystem: {
      kind: await fileSystemKind(place),
      hasUserXattrs: trial.facts?.hasUserXattrs ?? null,
      hasReflinks: trial.hasReflinks,
      foldsNames: trial.facts?.foldsNames ?? null,
    },
    problems: trial.problems,
    advice: adviceFor(isAddonFound, isZstdFound),
  };
}

function adviceFor(isAddonFound: boolean, isZstdFound: boolean): string[] {
  const isFastest = !isAddonFound || decoders().includes('isal');
  return [
    ...(isFastest ? [] : ['For a faster decoder install ISA-L (Debian: libisal-dev), then install Sluice again.']),
    ...(isZstdFound ? [] : ['For zstd layers install the package zstd-napi beside Sluice (npm install zstd-napi).']),
  ];
}

/** What was found out by writing. */
interface Trial {
  readonly isWritable: boolean;
  readonly facts: LocationFacts | null;
  readonly hasReflinks: boolean | null;
  readonly problems: readonly MachineProblem[];
}

async function tryOut(directory: string): Promise<Trial> {
  const problems: MachineProblem[] = [];
  const attempt = async <T>(doing: string, work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      problems.push(problemOf(fileSystemError(doing, error)));
      return null;
    }
  };
  const folder = await attempt(`writing in ${JSON.stringify(directory)}`, () => mkdtemp(join(directory, '.doctor-')));
  if (folder === null) return { isWritable: false, facts: null, hasReflinks: null, problems };
  try {
    const facts = await attempt(`trying out ${JSON.stringify(directory)}`, () => probe(folder));
    const hasReflinks = await attempt(`cloning a file in ${JSON.stringify(directory)}`, () => makesReflinks(folder));
    if (facts?.hasUserXattrs === false) {
      const message = `the file system of ${JSON.stringify(directory)} has no user xattrs`;
      problems.push(problemOf(new SluiceError('XATTR_UNSUPPORTED', message)));
    }
    return { isWritable: true, facts, hasReflinks, problems };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function probe(folder: string): Promise<LocationFacts> {
  const [staging, trash] = [join(folder, 'staging'), join(folder, 'trash')];
  await mkdir(staging);
  return probeLocation({ layers: folder, staging, trash, locks: folder, partial: folder, isHome: false });
}

const NO_REFLINKS: readonly (string | undefined)[] = ['ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'ENOTTY', 'EINVAL', 'EXDEV'];

async function makesReflinks(folder: string): Promise<boolean> {
  const file = join(folder, 'file');
  await writeFile(file, 'content');
  try {
    await copyFile(file, join(folder, 'clone'), constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (error) {
    if (NO_REFLINKS.includes(errnoOf(error))) return false;
    throw error;
  }
}

/** The path itself, or the lowest of its parents that is there. */
async function nearestDirectory(path: string): Promise<string> {
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  return isThere || dirname(path) === path ? path : nearestDirectory(dirname(path));
}

function problemOf({ code, message, detail }: SluiceError): MachineProblem {
  return { code, message, hint: detail.hint ?? ERRORS[code].hint };
}

const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0xef53: 'ext4',
  0x58465342: 'xfs',
  0x9123683e: 'btrfs',
  0x01021994: 'tmpfs',
  0x794c7630: 'overlayfs',
  0x2fc12fc1: 'zfs',
  0x6969: 'nfs',
  0x65735546: 'fuse',
};

async function fileSystemKind(directory: string): Promise<string> {
  const { type } = await statfs(directory);
  return FILE_SYSTEMS[type] ?? `0x${type.toString(16)}`;
}

async function readOpenFiles(): Promise<MachineReport['openFiles']> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  const [, soft = '', hard = ''] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(limits) ?? [];
  const numberOf = (text: string): number | null => (/^\d+$/.test(text) ? Number(text) : null);
  return { soft: numberOf(soft), hard: numberOf(hard) };
}
