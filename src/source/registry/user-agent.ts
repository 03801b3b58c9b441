import { readFileSync } from 'node:fs';
import { z } from 'zod';

const packageSchema = z.object({ version: z.string().regex(/^[0-9A-Za-z.+-]+$/) });

/** `sluice/<version>`, the version being the package's own. */
export const USER_AGENT: string = `sluice/${readVersion()}`;

function readVersion(): string {
  const file = new URL('../../../../package.json', import.meta.url);
  return packageSchema.parse(JSON.parse(readFileSync(file, 'utf8'))).version;
}
