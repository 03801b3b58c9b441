// What Sluice uses of undici, without its fetch, caches, mocks and web sockets: it stands in for the whole in the bundle.
export { default as Agent } from 'undici/lib/dispatcher/agent.js';
export { default as buildConnector } from 'undici/lib/core/connect.js';
export { default as errors } from 'undici/lib/core/errors.js';
