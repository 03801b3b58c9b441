import { ARCHIVERS, ZSTD_ARCHIVERS } from './contenders/archivers.js';
import type { Contender } from './contenders/contender.js';
import { CTR } from './contenders/containerd.js';
import { BUILDAH, SKOPEO_UMOCI, UMOCI } from './contenders/engines.js';
import { INFLATERS, ringWays, STORE_QUERIES, TAR_READERS, WRITERS } from './contenders/micro.js';
import { NAIVE, NAIVE_PULL } from './contenders/naive.js';
import { everyWay, sluiceFromLayout, sluiceFromRegistry } from './contenders/sluice.js';
import { sticksIn } from './contenders/sticks.js';
import { warm } from './contenders/warm.js';
import type { CorpusName } from './corpus/corpus.js';

/** One question, and who answers it. */
export interface Case {
  readonly id: string;
  readonly title: string;
  readonly question: string;
  /** What is fair about it, and what is not. */
  readonly fairness: string;
  /** A generated corpus, or tags of a layout. */
  readonly images: CorpusName | { readonly layout: string; readonly tags: readonly string[] };
  /** Whether a registry on loopback serves the images. */
  readonly isServed: boolean;
  /** The first one of Sluice is what the others are compared with. */
  readonly contenders: readonly Contender[];
}

export interface CaseOptions {
  /** Of the ring's bytes. */
  readonly scale: number;
  /** Directory with the measuring sticks. */
  readonly peers?: string | undefined;
}

const LAYOUT_FAIRNESS =
  'All read the same OCI layout and write to the same file system; each sample is a fresh process with an empty folder. Sluice ' +
  'alone checks both digests, writes true owners into xattrs and a sidecar, syncs, and records the image. umoci composes the ' +
  'layers into one root; the others keep each layer apart, as many at once as there are cores. tar-fs is told not to check symlinks, ' +
  'since it refuses most images otherwise.';
const REGISTRY_FAIRNESS =
  'One registry on loopback, in a process of its own, serves the image from memory to all. Engines also keep the packed blobs. ' +
  'containerd does its work in a daemon whose start is not timed; its CPU seconds are counted, and the peak is the larger one of ' +
  'daemon and client.';
const MICRO_FAIRNESS =
  'Each sample is a fresh process. Node’s start is not part of the time; that of a C program, about a millisecond, is.';

/** Every generated case. */
export function generatedCases(options: CaseOptions): readonly Case[] {
  const tools = [NAIVE, ...ARCHIVERS, UMOCI, ...sticksIn(options.peers)];
  const fromLayout = [sluiceFromLayout(), ...tools];
  return [
    {
      id: 'one-layer',
      title: 'One dominating layer',
      question: 'One layer holds nearly everything. Can more than one core work on it?',
      fairness: LAYOUT_FAIRNESS,
      images: 'one-layer',
      isServed: false,
      contenders: [...everyWay(sluiceFromLayout), ...tools],
    },
    {
      id: 'three-layers',
      title: 'Three layers',
      question: 'How long does an ordinary image of three layers take?',
      fairness: LAYOUT_FAIRNESS,
      images: 'three-layers',
      isServed: false,
      contenders: [...everyWay(sluiceFromLayout), ...tools],
    },
    {
      id: 'small-files',
      title: '45,000 small files',
      question: 'What does a file cost, where bytes hardly matter?',
      fairness: LAYOUT_FAIRNESS,
      images: 'small-files',
      isServed: false,
      contenders: fromLayout,
    },
    {
      id: 'large-files',
      title: 'Few large files',
      question: 'What does a byte cost, where files hardly matter?',
      fairness: LAYOUT_FAIRNESS,
      images: 'large-files',
      isServed: false,
      contenders: fromLayout,
    },
    {
      id: 'incompressible',
      title: 'Incompressible data',
      question: 'What stays when there is nothing to decompress?',
      fairness: `${LAYOUT_FAIRNESS} Hashing is most of Sluice’s work here, and no other contender’s.`,
      images: 'incompressible',
      isServed: false,
      contenders: fromLayout,
    },
    {
      id: 'zstd',
      title: 'zstd',
      question: 'How long does a zstd layer take?',
      fairness: `${LAYOUT_FAIRNESS} Contenders that read gzip alone do not take part.`,
      images: 'zstd',
      isServed: false,
      contenders: [sluiceFromLayout(), ...ZSTD_ARCHIVERS],
    },
    registryCase('registry', 'three-layers'),
    {
      id: 'bulk',
      title: 'Many small images',
      question: 'How fast are many small images imported that share base layers?',
      fairness: `${LAYOUT_FAIRNESS} Sluice takes all of them in one call; archivers get each distinct layer once, umoci and the sticks one image after the other.`,
      images: 'bulk',
      isServed: false,
      contenders: fromLayout,
    },
    warmCase('warm', 'three-layers'),
    ...microCases(options),
  ];
}

/** Cases of images that someone has: from the layout, from a registry, and warm, for each tag. */
export function imageCases(
  layout: string,
  tags: readonly string[],
  { peers }: Pick<CaseOptions, 'peers'>,
): readonly Case[] {
  return tags.flatMap((tag): Case[] => [
    {
      id: `image-${tag}`,
      title: `Real image “${tag}”`,
      question: 'How long does a real image take from an OCI layout?',
      fairness: LAYOUT_FAIRNESS,
      images: { layout, tags: [tag] },
      isServed: false,
      contenders: [...everyWay(sluiceFromLayout), NAIVE, ...ARCHIVERS, UMOCI, ...sticksIn(peers)],
    },
    { ...registryCase(`registry-${tag}`, { layout, tags: [tag] }), title: `Real image “${tag}”, registry to unpacked` },
  ]);
}

function registryCase(id: string, images: Case['images']): Case {
  return {
    id,
    title: 'Registry to unpacked',
    question: 'How long until an image of a registry is unpacked?',
    fairness: REGISTRY_FAIRNESS,
    images,
    isServed: true,
    contenders: [
      sluiceFromRegistry(),
      { ...sluiceFromLayout(), title: 'Sluice, from the layout' },
      NAIVE_PULL,
      SKOPEO_UMOCI,
      BUILDAH,
      CTR,
    ],
  };
}

function warmCase(id: string, images: Case['images']): Case {
  return {
    id,
    title: 'Warm hit',
    question: 'How long does it take to find that all is there already?',
    fairness:
      'Each contender has pulled the image before the time is taken. Sluice asks the registry nothing, as its default is; containerd asks ' +
      'for the manifest, buildah is told --policy missing.',
    images,
    isServed: true,
    contenders: [sluiceFromRegistry(), BUILDAH, CTR].map(warm),
  };
}

function microCases({ scale }: CaseOptions): readonly Case[] {
  return [
    {
      id: 'micro-inflate',
      title: 'Micro: inflate',
      question: 'How fast is each decoder of gzip?',
      fairness: `${MICRO_FAIRNESS} Programs write into a pipe to wc; pigz uses more than one thread.`,
      images: 'packed',
      isServed: false,
      contenders: INFLATERS,
    },
    {
      id: 'micro-tar',
      title: 'Micro: tar',
      question: 'How fast are the entries of a tar read?',
      fairness: `${MICRO_FAIRNESS} Programs may seek past contents and print each name; they report the size of the file as bytes.`,
      images: 'plain',
      isServed: false,
      contenders: TAR_READERS,
    },
    {
      id: 'micro-writer',
      title: 'Micro: writer',
      question: 'How fast are entries made whose bytes are in memory?',
      fairness: `${MICRO_FAIRNESS} All make the same entries with mode and time; Sluice also sets the xattr of the true owner.`,
      images: 'plain',
      isServed: false,
      contenders: WRITERS,
    },
    {
      id: 'micro-ring',
      title: 'Micro: ring',
      question: 'How fast do bytes go from one thread to another?',
      fairness: `${MICRO_FAIRNESS} Chunks of 64 KiB, at most 8 MiB on their way; a transferred buffer is a new one each time.`,
      images: 'plain',
      isServed: false,
      contenders: ringWays(Math.max(8, Math.round(2048 * scale))),
    },
    {
      id: 'micro-store',
      title: 'Micro: store',
      question: 'What does a store of 2,000 images and 10,000 layers cost to ask?',
      fairness:
        'CPU seconds of the question alone, in a process that has answered a hit before; the aim is 0.2 s each.',
      images: 'plain',
      isServed: false,
      contenders: STORE_QUERIES,
    },
  ];
}
