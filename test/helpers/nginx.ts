import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitForPort } from './docker-registry.js';
import { temporaryDirectory, type Cleanup } from './temporary.js';

/** A running nginx with a configuration of its own. */
export interface Nginx {
  /** `METHOD URI STATUS AUTHORIZATION`, the last being `-` when there was none, of each request to each server so far. */
  accessLog(): readonly string[];
}

/** @param servers `server { … }` blocks; @param port one that a server listens on */
export async function startNginx(t: Cleanup, servers: string, port: number): Promise<Nginx> {
  let stop = (): Promise<void> => Promise.resolve();
  t.after(() => stop()); // before the directory goes: hooks run in the order they are registered
  const directory = temporaryDirectory(t, 'sluice-nginx');
  chmodSync(directory, 0o755);
  mkdirSync(join(directory, 'temporary'));
  const [log, errors] = [join(directory, 'access.log'), join(directory, 'error.log')];
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${directory}/temporary/${name};`)
    .join(' ');
  const config = `
    ${process.getuid?.() === 0 ? 'user root;' : ''}
    worker_processes 1; daemon off; pid ${directory}/pid; error_log ${errors};
    events { worker_connections 256; }
    http {
      ${folders}
      log_format seen '$request_method $request_uri $status $http_authorization';
      access_log ${log} seen;
      client_max_body_size 0;
      ${servers}
    }`;
  const file = join(directory, 'nginx.conf');
  writeFileSync(file, config);
  writeFileSync(log, '');
  const child = spawn('nginx', ['-c', file, '-e', errors], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  stop = async () => {
    child.kill('SIGTERM');
    await exited;
  };
  await waitForPort(
    port,
    () => child.exitCode !== null,
    () => readFileSync(errors, 'utf8'),
  );
  return { accessLog: () => readFileSync(log, 'utf8').split('\n').slice(0, -1) };
}
