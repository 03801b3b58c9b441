import { createRequire } from 'node:module';

/** This package's version, as its manifest has it. */
export function version(): string {
  return (createRequire(import.meta.url)('#package') as { version: string }).version;
}
