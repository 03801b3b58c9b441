import { homedir } from 'node:os';
import { join } from 'node:path';

/** docker's file (R29). */
export function dockerConfigPath(environment: NodeJS.ProcessEnv = process.env): string {
  return join(environment['DOCKER_CONFIG'] || join(homedir(), '.docker'), 'config.json');
}

/** podman's, skopeo's and buildah's files, the one that counts first (R29). */
export function containersAuthPaths(environment: NodeJS.ProcessEnv = process.env): string[] {
  const { REGISTRY_AUTH_FILE: named, XDG_RUNTIME_DIR: runtime, XDG_CONFIG_HOME: config } = environment;
  if (named) return [named];
  const folders = [...(runtime ? [runtime] : []), config || join(homedir(), '.config')];
  return folders.map((folder) => join(folder, 'containers', 'auth.json'));
}
