import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Contender } from './contender.js';

/** A contender that is asked for what it has brought already: it runs once before the time is taken. */
export function warm(contender: Contender): Contender {
  return {
    ...contender,
    start: async (work) => {
      const daemon = (await contender.start?.(work)) ?? null;
      const { argv, env } = contender.command(work);
      const child = spawn(argv[0]!, argv.slice(1), { stdio: 'ignore', env: { ...process.env, ...env } });
      const [status] = (await once(child, 'exit')) as [number | null];
      if (status === 0) return daemon;
      await daemon?.[Symbol.asyncDispose]();
      throw new Error(`${contender.title} failed before it was measured`);
    },
  };
}
