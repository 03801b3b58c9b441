import { readFileSync } from 'node:fs';

/** `sluice/<version>`, the version being the package's own. */
export const USER_AGENT: string = `sluice/${readVersion()}`;

function readVersion(): string {
  const file = new URL('../../../../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version?: unknown };
  if (typeof version !== 'string' || !/^[0-9A-Za-z.+-]+$/.test(version)) throw new Error(`no version in ${file.href}`);
  return version;
}
