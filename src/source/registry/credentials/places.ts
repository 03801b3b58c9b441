import { homedir } from 'node:os';
import { join } from 'node:path';

/** docker's file (R29). */
export function dockerConfigPath(environment: NodeJS.ProcessEnv = process.env): string {
  return join(environment['DOCKER_CONFIG'] || join(homedir(), '.docker'), 'config.json');
}

/**
 * podman's, skopeo's and buildah's files, the one that counts first (R29). Without `XDG_RUNTIME_DIR`, as in most containers
 * and for root, they write below `/run/containers`.
 */
export function containersAuthPaths(
  environment: NodeJS.ProcessEnv = process.env,
  userId: number = process.getuid?.() ?? 0,
): string[] {
  const { REGISTRY_AUTH_FILE: named, XDG_RUNTIME_DIR: runtime, XDG_CONFIG_HOME: config } = environment;
  if (named) return [named];
  const primary = runtime ? join(runtime, 'containers', 'auth.json') : `/run/containers/${userId}/auth.json`;
  return [primary, join(config || join(homedir(), '.config'), 'containers', 'auth.json')];
}
