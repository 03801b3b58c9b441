import { testLayers } from '../../helpers/matrix.js';

const FORMS = ['file', 'dir', 'sym', 'link', 'char', 'block', 'fifo'] as const;

testLayers([
  ...FORMS.map((form) => ({
    title: `W1 W2 S9 whatever its type, here ${form}, it is an empty file of that name`,
    layer: `wh x as=${form}\nwh etc/y 0600 3:4 as=${form}\nopq d as=${form}`,
    tree: 'wh x\nimplied etc\nwh etc/y 0600 3:4\nimplied d\nopq d',
  })),
  {
    title: 'W1 names that only look like markers',
    layer: 'file .whx "1"\nfile a.wh.x "2"\nfile .wh "3"\nfile .WH.x "4"\nfile wh.x "5"',
    tree: 'file .whx "1"\nfile a.wh.x "2"\nfile .wh "3"\nfile .WH.x "4"\nfile wh.x "5"',
  },
  {
    title: 'W1 markers of dotted names',
    layer: 'file .wh..x ""\nfile .wh.... ""\nfile .wh..wh.x ""',
    tree: 'wh .x\nwh ...',
    warns: 'W7',
  },
  {
    title: 'W2 a body is read and dropped, owner and mode are kept',
    layer: 'file .wh.x 04755 5:6 "body" mtime=7\nfile .wh.y zero*5000\nfile after "1"',
    tree: 'wh x 04755 5:6 mtime=7\nwh y\nfile after "1"',
  },
  {
    title: 'W3 a marker hides nothing of its own layer, wherever it stands',
    layer: 'file d/a "1"\nopq d\nfile d/b "2"\nwh d/c\nfile e/a "3"\nwh d/gone',
    tree: 'implied d\nopq d\nfile d/a "1"\nfile d/b "2"\nwh d/c\nwh d/gone\nimplied e\nfile e/a "3"',
  },
  {
    title: 'W4 a marker before its file is folded away',
    layer: 'wh f\nfile f "1"',
    tree: 'file f "1" folded=.wh.f',
  },
  {
    title: 'W4 S11 a marker after its file is folded away',
    layer: 'file f "1"\nwh f\nsym s -> x\nwh s\nfifo p\nwh p',
    tree: 'file f "1" folded=.wh.f\nsym s -> x folded=.wh.s\nfifo p folded=.wh.p',
  },
  {
    title: 'W4 S11 a marker of a directory becomes an opaque mark in it',
    layer: 'wh d\ndir d 0700 1:1\nfile d/f "1"',
    tree: 'dir d 0700 1:1 folded=.wh.d\nopq d\nfile d/f "1"',
  },
  {
    title: 'W4 S11 a marker of an implied directory too',
    layer: 'file d/f "1"\nwh d',
    tree: 'implied d folded=.wh.d\nopq d\nfile d/f "1"',
  },
  {
    title: 'W4 a directory that is opaque already',
    layer: 'opq d 0600 5:5\nwh d\nfile d/f "1"',
    tree: 'implied d folded=.wh.d\nopq d 0600 5:5\nfile d/f "1"',
  },
  {
    title: 'W4 a name that a hard link brings, forward too',
    layer: 'file a "1"\nwh b\nlink b -> a\nwh c\nlink c -> z\nfile z "2"',
    tree: 'file a "1"\nlink b -> a folded=.wh.b\nfile c "2" folded=.wh.c\nlink z -> c',
  },
  {
    title: 'W4 H6 a link into a lower layer is not folded',
    layer: 'wh b\nlink b -> lower',
    tree: 'wh b\ndeferred b -> lower',
    warns: 'H6',
  },
  {
    title: 'W4 E20 a marker behind a symlink is folded where it lands',
    layer: 'dir t\nsym l -> t\nwh l/x\nfile t/x "1"',
    tree: 'dir t\nsym l -> t\nfile t/x "1" folded=.wh.x',
  },
  {
    title: 'W4 a marker that was replaced or removed is not folded',
    layer: 'wh d/f\nfile d/f "1"\nfile d "2"\nwh e\ndir e\nsym e -> x',
    tree: 'file d "2"\nsym e -> x folded=.wh.e',
  },
  {
    title: 'W5 S12 a marker beside an opaque mark is kept',
    layer: 'opq d\nwh d/y\ndir d',
    tree: 'dir d\nopq d\nwh d/y',
  },
  {
    title: 'W4 W5 an opaque mark is no whiteout of ".wh..opq"',
    layer: 'opq d\nwh d/.opq',
    tree: 'implied d\nopq d\nwh d/.opq',
  },
  {
    title: 'W4 W6 a directory that took a marker’s name is not folded, and keeps what is in it',
    layer: 'wh x\nfile .wh.x/f "1"\nfile x "2"',
    tree: 'implied .wh.x\nfile .wh.x/f "1"\nfile x "2"',
    warns: 'N6 W6',
  },
  {
    title: 'W6 a marker’s name in a directory part is literal, with a warning',
    layer: 'file .wh.etc/f "1"\ndir a/.wh.b/c\nwh .wh.etc/x',
    tree: 'implied .wh.etc\nfile .wh.etc/f "1"\nwh .wh.etc/x\nimplied a\nimplied a/.wh.b\ndir a/.wh.b/c',
    warns: 'W6*3',
  },
  {
    title: 'W7 bookkeeping of AUFS binds hard links, and is gone at the end',
    layer: `
      dir  .wh..wh.plnk      0700
      file .wh..wh.plnk/1.2  "1"
      link a                 -> .wh..wh.plnk/1.2
      file .wh..wh.aufs      ""
      dir  .wh..wh.orph
      file b                 "2"
      link .wh..wh.plnk/9    -> b
    `,
    tree: 'file a "1"\nfile b "2"',
    warns: 'W7*5',
  },
  {
    title: 'W7 H6 so is a link of it into a lower layer, which then need not be asked',
    layer: 'link .wh..wh.aufs -> usr/a\nlink .wh..wh.plnk/1 -> usr/b',
    tree: '',
    warns: 'W7*2',
  },
  {
    title: 'W7 H6 another link to what it would have named goes on to the lower layer',
    layer: 'link .wh..wh.plnk/1 -> usr/b\nlink b -> .wh..wh.plnk/1',
    tree: 'deferred b -> usr/b',
    warns: 'H6 W7',
  },
  {
    title: 'W7 deeper down such a name is an ordinary marker',
    layer: 'file a/.wh..wh.plnk ""',
    tree: 'implied a\nwh a/.wh.plnk',
  },
  {
    title: 'W10 a device 0:0 is a device',
    layer: 'char x 0600 0,0\nblock y 0600 0,0',
    tree: 'char x 0600 0,0\nblock y 0600 0,0',
  },
]);
