import { testLayers } from '../../helpers/matrix.js';

testLayers([
  {
    title: 'N1 T14 names are bytes, whatever they are in any encoding',
    layer: `
      file hex:fffe0a     "invalid"
      file "a\\nb"        "newline"
      file "a\\\\b"       "backslash"
      file "a b*?[\\x01"  "odd"
      file hex:e9         "latin-1"
      file hex:c3a9       "NFC"
      file hex:65cc81     "NFD"
      sym  s              -> hex:fffe
      link l              -> hex:fffe0a
      file ..gitme        "1"
      file a..b           "2"
    `,
    tree: `
      file ..gitme          "1"
      file "a\\nb"          "newline"
      file "a\\\\b"         "backslash"
      file "a b*?[\\x01"    "odd"
      file a..b             "2"
      file "e\\xcc\\x81"    "NFD"
      file l                "invalid"
      sym  s                -> "\\xff\\xfe"
      file "\\xc3\\xa9"     "NFC"
      file "\\xe9"          "latin-1"
      link "\\xff\\xfe\\n"  -> l
    `,
  },
  {
    title: 'N1 GNU and PAX headers give the same bytes',
    layer: 'file hex:ff5c0a "1" fmt=gnu\nfile hex:ff5c0b "2"',
    tree: 'file "\\xff\\\\\\n" "1"\nfile "\\xff\\\\\\x0b" "2"',
  },
  {
    title: 'N2 E1 a name is cleaned by text before anything looks at the tree',
    layer: `
      file /a          "1"
      file ./b         "2"
      file ../../c     "3"
      file x/../d      "4"
      file ./e//f/./g  "5"
      dir  h/          0700
      sym  y           -> /etc
      file y/../i      "6"
    `,
    tree: `
      file a "1"
      file b "2"
      file c "3"
      file d "4"
      implied e
      implied e/f
      file e/f/g "5"
      dir  h 0700
      sym  y -> /etc
      file i "6"
    `,
  },
  {
    title: 'N2 E20 d) ".." takes away what was never there',
    layer: 'file dne/../.wh.etc ""',
    tree: 'wh etc',
  },
  {
    title: 'N3 symlinks on the way are followed inside the root',
    layer: `
      sym  abs     -> /t
      sym  rel     -> t
      sym  d/up    -> ../../../../t
      file abs/1   "1"
      file rel/2   "2"
      file d/up/3  "3"
    `,
    tree: `
      sym  abs    -> /t
      sym  rel    -> t
      implied d
      sym  d/up   -> ../../../../t
      implied t
      file t/1    "1"
      file t/2    "2"
      file t/3    "3"
    `,
  },
  {
    title: 'N3 a ".." inside a target is followed by the file system, not by text',
    layer: 'dir a/b\nsym l -> /a/b\nsym up -> l/../x\nfile up/f "1"',
    tree: 'implied a\ndir a/b\nsym l -> /a/b\nsym up -> l/../x\nimplied a/x\nfile a/x/f "1"',
  },
  {
    title: 'N3 N5 O4 a name that replaces the symlink on its own way lands where that way led',
    layer: 'sym a -> .\nfile a/a "1"\nsym d/l -> ../d\ndir d/l/l 0700\nsym x -> /\nlink x/x -> a',
    tree: 'file a "1"\nimplied d\ndir d/l 0700\nlink x -> a',
  },
  {
    title: 'N4 S2 what a dangling symlink names is made',
    layer: 'sym var/run -> /run\nfile var/run/x "1"',
    tree: 'implied run\nfile run/x "1"\nimplied var\nsym var/run -> /run',
  },
  {
    title: 'N4 several missing parts behind a dangling symlink',
    layer: 'sym l -> /x/y/z\nfile l/f "1"',
    tree: 'sym l -> /x/y/z\nimplied x\nimplied x/y\nimplied x/y/z\nfile x/y/z/f "1"',
  },
  {
    title: 'N5 the last component is never followed',
    layer: 'file t "1"\nsym l -> t\nfile l "2"\nsym m -> t\nfifo m\nsym n -> d\ndir d\ndir n',
    tree: 'file t "1"\nfile l "2"\nfifo m\ndir d\ndir n',
  },
  {
    title: 'N6 a file on the way gives way, with a warning',
    layer: 'file a "1"\nfile a/b "2"',
    tree: 'implied a\nfile a/b "2"',
    warns: 'N6',
  },
  {
    title: 'N6 a placeholder and a symlink’s target on the way give way',
    layer: 'fifo a\nfile a/b "1"\nsym s -> c\nfile c "2"\nfile s/f "3"',
    tree: 'implied a\nfile a/b "1"\nsym s -> c\nimplied c\nfile c/f "3"',
    warns: 'N6*2',
  },
  {
    title: 'N6 a file that a hard link shares gives way at one name alone',
    layer: 'file a "1"\nlink b -> a\nfile a/c "2"',
    tree: 'implied a\nfile a/c "2"\nfile b "1"',
    warns: 'N6',
  },
  {
    title: 'N7 hard-link targets are cleaned and resolved, and nothing is made for them',
    layer: 'file a/b "1"\nsym l -> /a\nlink 1 -> ../../a/./b\nlink 2 -> x/../l/b\nlink 3 -> no/such/file',
    tree: `
      implied a
      link a/b -> 1
      file 1 "1"
      link 2 -> 1
      sym l -> /a
      deferred 3 -> no/such/file
    `,
    warns: 'H6',
  },
  {
    title: 'N7 symlink targets are stored byte for byte',
    layer: 'sym a -> /abs//x/./y/\nsym b -> ../../up\nsym c -> "a b\\n"\nsym d -> .\nsym e -> /',
    tree: 'sym a -> /abs//x/./y/\nsym b -> ../../up\nsym c -> "a b\\n"\nsym d -> .\nsym e -> /',
  },
  {
    title: 'N8 openat2 and the walk find the same parents',
    layer: `
      sym  a/b/l    -> ../../c/./d/../d
      sym  c/d      -> /e//f/
      file a/b/l/1  "1"
      sym  e/f/up   -> ..
      file c/d/up/2 "2"
      sym  top      -> ../../..
      file top/e/f/up/g/3 "3"
    `,
    tree: `
      implied a
      implied a/b
      sym  a/b/l  -> ../../c/./d/../d
      implied c
      sym  c/d    -> /e//f/
      implied e
      implied e/d
      file e/d/1  "1"
      implied e/f
      sym  e/f/up -> ..
      file e/2    "2"
      implied e/g
      file e/g/3  "3"
      sym  top    -> ../../..
    `,
  },
  {
    title: 'N9 a parent that was looked up before a symlink changed is looked up again',
    layer: `
      dir  one
      dir  two
      sym  l    -> one
      file l/a  "1"
      sym  l    -> two
      file l/b  "2"
      file d/a  "3"
      file d    "4"
      dir  d
      file d/b  "5"
    `,
    tree: `
      dir  one
      file one/a "1"
      dir  two
      file two/b "2"
      sym  l     -> two
      dir  d
      file d/b   "5"
    `,
  },
  {
    title: 'N9 a directory above a cached parent is replaced by a symlink',
    layer: 'file a/b/c/1 "1"\nsym a -> z\nfile a/b/c/2 "2"',
    tree: 'sym a -> z\nimplied z\nimplied z/b\nimplied z/b/c\nfile z/b/c/2 "2"',
  },
  {
    title: 'N9 names that fold together are two parents',
    layer: 'file D/a "1"\nfile d/a "2"\nfile hex:c3a92f61 "3"\nfile hex:65cc812f61 "4"',
    tree: 'implied D\nfile D/a "1"\nimplied d\nfile d/a "2"\nimplied X\nfile X/a "3"\nimplied Y\nfile Y/a "4"'
      .replaceAll('X/a', '"\\xc3\\xa9/a"')
      .replaceAll('Y/a', '"e\\xcc\\x81/a"')
      .replaceAll('X', '"\\xc3\\xa9"')
      .replaceAll('Y', '"e\\xcc\\x81"'),
  },
  {
    title: 'N9 more parents than the cache holds',
    layer: [...Array.from({ length: 300 }, (_, i) => `file d${i}/a ""`), 'file d0/b "again"'].join('\n'),
    tree: [...Array.from({ length: 300 }, (_, i) => `implied d${i}\nfile d${i}/a ""`), 'file d0/b "again"'].join('\n'),
  },
  {
    title: 'N10 a batch goes on from the command that met a name, a gap or a file on its way',
    layer: `
      file f      "1"
      file f      "2"
      file g/h/i  "3"
      file f/x    "4"
      link l      -> f/x
      file f/x    "5"
      file z      "6"
    `,
    tree: `
      implied f
      file f/x "5"
      implied g
      implied g/h
      file g/h/i "3"
      file l "4"
      file z "6"
    `,
    warns: 'N6',
  },
  {
    title: 'N10 more commands than a batch holds, each name twice',
    layer: Array.from({ length: 600 }, (_, i) => `file f${i % 300} "${i}"`).join('\n'),
    tree: Array.from({ length: 300 }, (_, i) => `file f${i} "${i + 300}"`).join('\n'),
  },
]);
