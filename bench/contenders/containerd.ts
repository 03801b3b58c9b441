import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { missingProgram, numbered, type Contender, type Daemon, type Work } from './contender.js';

const TICKS_A_SECOND = 100;
const WAIT_MS = 20_000;
const STEP_MS = 20;

/** containerd, which does its work in a daemon: a new one each time, its start not counted. */
export const CTR: Contender = {
  id: 'ctr',
  title: 'ctr images pull',
  isOurs: false,
  packings: ['gzip', 'zstd', 'none'],
  missing: ({ isRoot }) => (isRoot ? missingProgram('containerd', 'ctr') : 'needs root'),
  start: startContainerd,
  command: ({ out, references, isPlainHttp }) => ({
    argv: [
      'ctr',
      '--address',
      socketOf(out),
      'images',
      'pull',
      ...(isPlainHttp ? ['--plain-http'] : []),
      ...references,
    ],
  }),
  trees: async ({ out }) => {
    const snapshots = join(out, 'root/io.containerd.snapshotter.v1.overlayfs/snapshots');
    return [numbered(snapshots).map((number) => join(snapshots, number, 'fs'))];
  },
};

async function startContainerd({ out }: Work): Promise<Daemon> {
  mkdirSync(join(out, 'root'));
  const config = join(out, 'config.toml');
  writeFileSync(config, settings(out));
  const child = spawn('containerd', ['--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-2000)));
  const exited = once(child, 'exit');
  for (let waitedMs = 0; !(await answers(socketOf(out))); waitedMs += STEP_MS) {
    if (waitedMs > WAIT_MS || child.exitCode !== null) throw new Error(`containerd did not start: ${log}`);
    await sleep(STEP_MS);
  }
  const pid = child.pid!;
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  const before = cpuSecondsOf(pid);
  return {
    cost: () => ({ cpuSeconds: cpuSecondsOf(pid) - before, peakBytes: peakBytesOf(pid) }),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

function settings(out: string): string {
  return [
    'version = 2',
    `root = "${join(out, 'root')}"`,
    `state = "${join(out, 'state')}"`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]',
    '[grpc]',
    `address = "${socketOf(out)}"`,
  ].join('\n');
}

function socketOf(out: string): string {
  return join(out, 'containerd.sock');
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.once('error', () => resolve(false));
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
  });
}

/** @see proc(5), `/proc/pid/stat`, fields 14 to 17 */
function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_A_SECOND;
}

function peakBytesOf(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
}
