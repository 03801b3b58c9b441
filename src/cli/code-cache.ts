import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { Script } from 'node:vm';

/** A CommonJS bundle that was run. */
export interface LoadedBundle {
  readonly exports: unknown;
  /** Whether V8 took the code from the bundle's cache instead of compiling it. */
  readonly isCached: boolean;
  /** A cache of all that is compiled by now, for {@link cachePath}. */
  makeCache(): Buffer;
}

export function cachePath(bundle: string): string {
  return `${bundle}.cache`;
}

/**
 * Runs a bundle of ours with V8's code cache of it where the build left one: parsing takes most of a short command's time. V8
 * refuses the cache of another version of itself, and the bundle is compiled as ever. That it belongs to this very bundle
 * stands in its first line, which is the bundle's; V8 compares lengths alone.
 * @param file absolute path
 */
export function loadBundle(file: string): LoadedBundle {
  const source = readFileSync(file, 'utf8');
  const id = source.slice(0, source.indexOf('\n') + 1);
  const cachedData = readCache(file, id);
  const script = new Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
    filename: file,
    ...(cachedData && { cachedData }),
  });
  const module = { exports: {} };
  const run = script.runInThisContext() as (...scope: readonly unknown[]) => void;
  run(module.exports, createRequire(file), module, file, dirname(file));
  return {
    exports: module.exports,
    isCached: cachedData !== null && script.cachedDataRejected === false,
    makeCache: () => Buffer.concat([Buffer.from(id), script.createCachedData()]),
  };
}

function readCache(file: string, id: string): Buffer | null {
  try {
    const cache = readFileSync(cachePath(file));
    const prefix = Buffer.from(id);
    return cache.subarray(0, prefix.length).equals(prefix) ? cache.subarray(prefix.length) : null;
  } catch {
    return null;
  }
}
