import { version } from '../../version.js';

/** `sluice/<version>` (R4). */
export const USER_AGENT: string = `sluice/${version()}`;
