/** What commands do, in one module: a command line is parsed without it, and it is loaded as one file. */
export { bench } from './bench.js';
export { doctor } from './doctor.js';
export { exportTar } from './export.js';
export { importImages } from './import.js';
export { inspect } from './inspect.js';
export { layers } from './layers.js';
export { login, logout } from './login.js';
export { list } from './ls.js';
export { mtree } from './mtree.js';
export { pin } from './pin.js';
export { prune } from './prune.js';
export { pull } from './pull.js';
export { remove } from './rm.js';
export { rootfs } from './rootfs.js';
export { verify } from './verify.js';
