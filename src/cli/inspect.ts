import { Sluice, type StoredImage } from '../index.js';
import type { CommonOptions } from './options.js';
import { printJson, printLine } from './output.js';
import { openOptions } from './session.js';

export interface InspectOptions extends CommonOptions {
  readonly platform?: string;
}

/** `sluice inspect REFERENCE`: what the store knows of an image; indented unless `--json` asks for one line. */
export async function inspect(reference: string, options: InspectOptions): Promise<number> {
  const { platform } = options;
  await using sluice = await Sluice.open(openOptions(options));
  const image = describe(await sluice.inspect(reference, { ...(platform !== undefined && { platform }) }));
  if (options.json) printJson(image);
  else printLine(JSON.stringify(image, null, 2));
  return 0;
}

function describe(image: StoredImage): Record<string, unknown> {
  const { reference, platform, manifestDigest, resolvedDigest, manifest, config, layers } = image;
  return {
    reference,
    platform,
    digest: manifestDigest,
    resolvedDigest,
    layers,
    config: parseDocument(config),
    manifest: parseDocument(manifest),
  };
}

function parseDocument(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}
