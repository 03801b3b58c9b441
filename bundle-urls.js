// What stands for import.meta in a CommonJS bundle.
import { pathToFileURL } from 'node:url';

export const bundleUrl = pathToFileURL(__filename).href;
export const resolveInBundle = (name) => pathToFileURL(require.resolve(name)).href;
