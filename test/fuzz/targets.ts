import type { Cleanup } from '../helpers/temporary.js';
import { createLayerTarget } from './layer-target.js';
import { createReaderTarget } from './reader-target.js';
import { createRingTarget } from './ring-target.js';
import { createSidecarTarget } from './sidecar-target.js';
import type { FuzzTarget } from './target.js';

export type TargetName = 'reader' | 'layer' | 'sidecar' | 'ring';

const OPENERS: Readonly<Record<TargetName, (t: Cleanup) => FuzzTarget>> = {
  reader: createReaderTarget,
  layer: createLayerTarget,
  sidecar: createSidecarTarget,
  ring: createRingTarget,
};

export const TARGETS: readonly TargetName[] = ['reader', 'layer', 'sidecar', 'ring'];

export function parseTarget(text: string | undefined): TargetName {
  const name = TARGETS.find((one) => one === text);
  if (!name) throw new Error(`choosing a target: ${text ?? 'nothing'} is none of ${TARGETS.join(', ')}`);
  return name;
}

export function openTarget(name: TargetName, t: Cleanup): FuzzTarget {
  return OPENERS[name](t);
}
