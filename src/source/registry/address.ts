import { BlockList, isIP } from 'node:net';

/**
 * Which addresses a name must not stand for: `public` refuses all that are not, `no-local` loopback, link-local and
 * unspecified ones, `no-link-local` the last two, `any` none.
 */
export type AddressGuard = 'any' | 'no-link-local' | 'no-local' | 'public';

export type AddressClass = 'loopback' | 'link-local' | 'private' | 'unspecified' | 'public';

type Subnet = readonly [address: string, prefix: number, family: 'ipv4' | 'ipv6'];

const LOOPBACK = blocks([
  ['127.0.0.0', 8, 'ipv4'],
  ['::1', 128, 'ipv6'],
]);
const LINK_LOCAL = blocks([
  ['169.254.0.0', 16, 'ipv4'],
  ['fe80::', 10, 'ipv6'],
]);
const UNSPECIFIED = blocks([
  ['0.0.0.0', 8, 'ipv4'],
  ['::', 128, 'ipv6'],
]);
const PRIVATE = blocks([
  ['10.0.0.0', 8, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  ['ff00::', 8, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
]);

/** The class of an IP literal, without brackets. IPv4 addresses mapped into IPv6 count as what they map. */
function classOfAddress(address: string): AddressClass {
  const plain = address.replace(/%.*$/, '');
  const family = isIP(plain) === 6 ? 'ipv6' : 'ipv4';
  if (UNSPECIFIED.check(plain, family)) return 'unspecified';
  if (LOOPBACK.check(plain, family)) return 'loopback';
  if (LINK_LOCAL.check(plain, family)) return 'link-local';
  if (PRIVATE.check(plain, family)) return 'private';
  return 'public';
}

/** The class of a URL's host when it is an IP literal or a name for loopback; null for every other name. */
export function classOfHost(hostname: string): AddressClass | null {
  const bare = hostname.replace(/^\[|\]$/g, '');
  if (isIP(bare) !== 0) return classOfAddress(bare);
  return /^(.*\.)?localhost\.?$/i.test(bare) ? 'loopback' : null;
}

export function isLoopbackHost(hostname: string): boolean {
  return classOfHost(hostname) === 'loopback';
}

/** Whether a connection to the address is refused under the guard. */
export function isRefused(address: string, guard: AddressGuard): boolean {
  if (guard === 'any') return false;
  const kind = classOfAddress(address);
  if (guard === 'public') return kind !== 'public';
  return kind === 'link-local' || kind === 'unspecified' || (kind === 'loopback' && guard === 'no-local');
}

function blocks(subnets: readonly Subnet[]): BlockList {
  const list = new BlockList();
  for (const [address, prefix, family] of subnets) list.addSubnet(address, prefix, family);
  return list;
}
