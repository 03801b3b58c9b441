import { testLayers, type LayerCase } from '../../helpers/matrix.js';

/** What may stand at `x` first. */
const THERE: Readonly<Record<string, string>> = {
  file: 'file x "old"',
  'shared file': 'file x "t"\nlink shared -> x',
  placeholder: 'fifo x 0600',
  symlink: 'sym x -> d',
  'dangling symlink': 'sym x -> nowhere',
  directory: 'dir x 0700 1:1\nfile x/child "c"',
  'implied directory': 'file x/child "c"',
};

/** What comes then, and what `x` is afterwards. */
const COMES: Readonly<Record<string, readonly [lines: string, tree: string]>> = {
  file: ['file x 0600 2:2 "new" mtime=5', 'file x 0600 2:2 "new" mtime=5'],
  device: ['char x 0666 1,3', 'char x 0666 1,3'],
  FIFO: ['fifo x 0644 mtime=5', 'fifo x mtime=5'],
  symlink: ['sym x 0777 3:3 -> u', 'sym x 3:3 -> u'],
  'hard link': ['link x -> t', 'link x -> t'],
  directory: ['dir x 0711 2:2 mtime=5', 'dir x 0711 2:2 mtime=5'],
};

const RULES = (there: string, comes: string): string => {
  const isDirectory = there.endsWith('directory');
  if (comes === 'directory') return isDirectory ? 'O1 S13' : 'O2';
  return isDirectory ? 'O3' : 'O4';
};

const combinations = Object.entries(THERE).flatMap(([there, first]) =>
  Object.entries(COMES).map(([comes, [second, line]]): LayerCase => {
    const keepsChild = there.endsWith('directory') && comes === 'directory';
    return {
      title: `${RULES(there, comes)} E13 ${comes} over ${there}`,
      layer: `dir d 0750\nfile t "t"\n${first}\n${second}\nfile after "a"`,
      tree: [
        'dir d 0750',
        'file t "t"',
        line,
        'file after "a"',
        ...(there === 'shared file' ? ['file shared "t"'] : []),
        ...(keepsChild ? ['file x/child "c"'] : []),
      ].join('\n'),
    };
  }),
);

testLayers(
  [
    ...combinations,
    {
      title: 'O1 S13 a directory twice keeps its children, mode and time are the last’s',
      layer: 'dir d 0700 mtime=1\nfile d/a "1"\ndir d/e\nfile d/e/f "2"\ndir d 0711 9:9 mtime=2',
      tree: 'dir d 0711 9:9 mtime=2\nfile d/a "1"\ndir d/e\nfile d/e/f "2"',
    },
    {
      title: 'O1 attributes are those of the last entry',
      layer: 'dir d xattr:user.a="1" xattr:user.b="2"\ndir d xattr:user.a="3"',
      tree: 'dir d xattr:user.a="3"',
    },
    {
      title: 'O3 a whole tree goes, symlinks in it not followed',
      layer: 'dir keep\nfile keep/f "1"\ndir d/e\nsym d/l -> /keep\nsym d/m -> ../keep\nlink d/h -> keep/f\nfile d "2"',
      tree: 'dir keep\nfile keep/f "1"\nfile d "2"',
    },
    {
      title: 'O3 a tree with directories that nobody may enter goes',
      layer: 'dir d/a/b 0000\nfile d/a/b/c "1" 0000\ndir d/a 0000\nsym d -> x',
      tree: 'sym d -> x',
    },
    {
      title: 'O4 S13 one name many times: the last wins',
      layer: 'file x "1"\nsym x -> a\nfile x "3"\nfifo x\ndir x\nfile x/y "5"\nfile x "6"\nfile x "7" 0600',
      tree: 'file x 0600 "7"',
    },
    {
      title: 'O4 E12 an inode’s other names keep the old content',
      layer: 'file a "1"\nlink b -> a\nlink c -> a\nfile b "22"',
      tree: 'file a "1"\nlink c -> a\nfile b "22"',
    },
    {
      title: 'O5 the root’s entry gives it metadata, and again',
      layer: 'dir ./ 0700 1:1 mtime=1\nfile x "1"\ndir / 0711 2:2 mtime=2',
      tree: 'dir . 0711 2:2 mtime=2\nfile x "1"',
    },
    {
      title: 'O5 X1 anything else in the root’s place is refused',
      layer: 'dir ./\nfile ./ "x"',
      refused: 'ENTRY_REFUSED X1',
    },
  ],
  'compat K11 extraction',
);
