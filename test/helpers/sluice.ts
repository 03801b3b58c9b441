import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Sluice, type OpenOptions, type PulledImage, type PullOptions, type SluiceEvent } from '../../src/index.js';
import { startRegistry, type RegistryOptions, type TestRegistry } from '../../src/testing/index.js';
import { isolateEnvironment, temporaryDirectory, type Cleanup } from './temporary.js';

/** A registry and a Sluice with a home of its own, both ended after the test. */
export interface Lab {
  readonly registry: TestRegistry;
  readonly sluice: Sluice;
  readonly home: string;
  /** Everything that happened, oldest first. */
  readonly events: SluiceEvent[];
  /** Pulls from the registry by plain HTTP. */
  pull(reference: string, options?: PullOptions): Promise<PulledImage>;
}

export async function openLab(
  t: Cleanup,
  options: { readonly registry?: RegistryOptions; readonly open?: OpenOptions } = {},
): Promise<Lab> {
  isolateEnvironment(t);
  const home = join(temporaryDirectory(t, 'sluice-home'), 'home');
  const registry = await startRegistry(options.registry);
  t.after(() => void registry.close());
  const sluice = await openSluice(t, { home, ...options.open });
  const events: SluiceEvent[] = [];
  sluice.subscribe((event) => events.push(event));
  const pull = (reference: string, more: PullOptions = {}): Promise<PulledImage> =>
    sluice.pull(reference, { plainHttp: [registry.host], ...more });
  return { registry, sluice, home, events, pull };
}

export async function openSluice(t: Cleanup, options: OpenOptions): Promise<Sluice> {
  const sluice = await Sluice.open(options);
  t.after(() => sluice.close());
  return sluice;
}

/** Names in a directory of the home; none when it is absent. */
export function filesIn(home: string, ...path: readonly string[]): readonly string[] {
  const directory = join(home, ...path);
  return existsSync(directory) ? readdirSync(directory).toSorted() : [];
}
