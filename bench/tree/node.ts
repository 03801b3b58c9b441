/** What is at one name of a tree that a contender wrote, as far as every contender must agree on it. */
export type TreeNode =
  | Directory
  | { readonly kind: 'file'; readonly sizeBytes: number; readonly path: Buffer }
  | { readonly kind: 'symlink'; readonly target: string };

export interface Directory {
  readonly kind: 'directory';
  /** By name; names are bytes, spelled as latin1. */
  readonly children: ReadonlyMap<string, TreeNode>;
  /** Names of lower layers that are hidden. */
  readonly whiteouts: ReadonlySet<string>;
  /** Everything that lower layers have here is hidden. */
  readonly isOpaque: boolean;
}

/** How much a contender wrote. */
export interface Written {
  /** Names, the roots of trees left out. */
  entries: number;
  /** Sizes of regular files, each inode once. */
  bytes: number;
}
