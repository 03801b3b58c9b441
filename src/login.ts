import type { Login, LoginOptions, LogoutOptions } from './source/registry/login.js';

export type { Login, LoginOptions, LogoutOptions };

/**
 * Shows a registry user and password, and when it takes them keeps them where docker does.
 * @param host `host[:port]`, or `docker.io`
 * @throws SluiceError CONFIG_INVALID | AUTH_FAILED | STORE_FAILED | DISK_FULL, or by registry §12
 */
export async function login(host: string, options: LoginOptions): Promise<Login> {
  return (await import('./source/registry/login.js')).login(host, options);
}

/**
 * Forgets what {@link login} kept.
 * @returns false when there was nothing
 * @throws SluiceError CONFIG_INVALID | STORE_FAILED | DISK_FULL
 */
export async function logout(host: string, options: LogoutOptions = {}): Promise<boolean> {
  return (await import('./source/registry/login.js')).logout(host, options);
}
