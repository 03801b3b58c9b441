'use strict';
// Builds the addon with the node-gyp that npm puts in the way of install scripts. Node's own headers are used when they
// stand beside its executable, so that nothing is downloaded.
const { spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const path = require('node:path');

const prefix = path.resolve(path.dirname(process.execPath), '..');
const args = ['rebuild'];
if (existsSync(path.join(prefix, 'include/node/node_api.h'))) args.push(`--nodedir=${prefix}`);
const { status, error } = process.env.npm_config_node_gyp
  ? spawnSync(process.execPath, [process.env.npm_config_node_gyp, ...args], { cwd: __dirname, stdio: 'inherit' })
  : spawnSync('node-gyp', args, { cwd: __dirname, stdio: 'inherit' });
if (error) console.error(`xattr-native: running node-gyp: ${error.message}`);
process.exit(status ?? 1);
