import { text } from 'node:stream/consumers';
import { login as logIn, logout as logOut, SluiceError } from '../index.js';
import type { ConnectionOptions } from './options.js';
import { noteLine, printJson, printLine } from './output.js';
import { askOnTerminal } from './prompt.js';
import { printable } from './text.js';

export interface LogoutCommandOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly authfile?: string;
}

export interface LoginCommandOptions extends LogoutCommandOptions, ConnectionOptions {
  readonly username?: string;
  readonly passwordStdin?: boolean;
  /** Refused: whoever may list processes would read it. */
  readonly password?: string;
}

/** `sluice login HOST`: shows the registry user and password, and keeps them (registry R34). */
export async function login(host: string, options: LoginCommandOptions, signal: AbortSignal): Promise<number> {
  const { username, password } = await readUser(host, options, signal);
  const kept = await logIn(host, {
    username,
    password,
    signal,
    plainHttp: options.plainHttp ?? false,
    skipVerify: options.tlsSkipVerify ?? false,
    ...(options.tlsCa !== undefined && { tlsCa: options.tlsCa }),
    ...(options.authfile !== undefined && { authFile: options.authfile }),
    onNotice: (message) => options.quiet !== true && noteLine(printable(`warning: ${message}`)),
  });
  if (options.json) printJson({ result: kept });
  else {
    const place = kept.helper === null ? kept.file : `docker-credential-${kept.helper}`;
    const doubt = kept.isChecked ? '' : ', which asks nobody to log in, so that nothing was checked';
    printLine(printable(`Logged in to ${kept.host}${doubt}; kept in ${place}`));
  }
  return 0;
}

/** `sluice logout HOST`. */
export async function logout(host: string, options: LogoutCommandOptions, signal: AbortSignal): Promise<number> {
  const wasThere = await logOut(host, {
    signal,
    ...(options.authfile !== undefined && { authFile: options.authfile }),
  });
  if (options.json) printJson({ result: { host, wasLoggedIn: wasThere } });
  else printLine(printable(wasThere ? `Logged out of ${host}` : `Not logged in to ${host}`));
  return 0;
}

interface User {
  readonly username: string;
  readonly password: string;
}

async function readUser(host: string, options: LoginCommandOptions, signal: AbortSignal): Promise<User> {
  if (options.password !== undefined) {
    throw usage('a password on the command line can be read in the list of processes', 'Use --password-stdin.');
  }
  if (options.passwordStdin) {
    if (!options.username) throw usage('--password-stdin needs --username', 'Add --username NAME.');
    const password = (await text(process.stdin)).replace(/\r?\n$/, '');
    if (password === '') throw usage('standard input holds no password', 'Pipe the password into the command.');
    return { username: options.username, password };
  }
  if (!process.stdin.isTTY) {
    throw usage('there is no terminal to ask for the password', 'Use --username NAME --password-stdin.');
  }
  const username =
    options.username || (await askOnTerminal(`Username for ${printable(host)}: `, { isSecret: false, signal }));
  const password = await askOnTerminal('Password: ', { isSecret: true, signal });
  if (username === '' || password === '') throw usage('a user name and a password are needed', 'Try again.');
  return { username, password };
}

function usage(message: string, hint: string): SluiceError {
  return new SluiceError('CONFIG_INVALID', { message: `logging in: ${message}`, rule: 'registry R34', hint });
}
