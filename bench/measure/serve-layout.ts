import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A registry on loopback, in a process of its own. */
export interface Served extends AsyncDisposable {
  /** In the order of the tags. */
  readonly references: readonly string[];
}

/** Serves images of an OCI layout. @throws Error when the process ends before it listens */
export async function serveLayout(layout: string, tags: readonly string[]): Promise<Served> {
  const script = fileURLToPath(import.meta.resolve('#bench/serve'));
  const child = spawn(process.execPath, [script, layout, ...tags], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const references: string[] = [];
  for await (const line of createInterface(child.stdout)) {
    if (line === '') break;
    references.push(line);
  }
  if (references.length !== tags.length) throw new Error('the registry on loopback did not start');
  return {
    references,
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await exited;
    },
  };
}
