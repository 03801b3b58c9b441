import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorCode } from '../../../src/errors.js';
import { SluiceError } from '../../../src/errors.js';
import { classifyTransport, isPassing } from '../../../src/source/registry/classify.js';

const url = new URL('https://registry.test/v2/');

const PASSING = [
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_SOCKET',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
];

for (const code of PASSING) {
  test(`registry R66 ${code} is unreachable and tried again`, () => {
    const error = classifyTransport(errorWith(code), url);
    assert.equal(error.code, 'REGISTRY_UNREACHABLE');
    assert.equal(error.detail.errno, code);
    assert.equal(isPassing(error), true);
  });
}

for (const thrown of [errorWith('HPE_INVALID_CONSTANT'), namedError('HTTPParserError')]) {
  test(`registry R66 a parser error is tried again: ${thrown.name} ${thrown.message}`, () => {
    const error = classifyTransport(thrown, url);
    assert.equal(error.code, 'PROTOCOL_ERROR');
    assert.equal(isPassing(error), true);
  });
}

const FINAL: readonly (readonly [code: string, expected: ErrorCode])[] = [
  ['ENOTFOUND', 'REGISTRY_UNREACHABLE'],
  ['CERT_HAS_EXPIRED', 'TLS_FAILED'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'TLS_FAILED'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'TLS_FAILED'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'TLS_FAILED'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'TLS_FAILED'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'TLS_FAILED'],
  ['EPROTO', 'TLS_FAILED'],
  ['UND_ERR_HEADERS_OVERFLOW', 'PROTOCOL_ERROR'],
  ['UND_ERR_INVALID_ARG', 'PROTOCOL_ERROR'],
  ['UND_ERR_DESTROYED', 'ABORTED'],
  ['UND_ERR_CLOSED', 'ABORTED'],
  ['ESOMETHINGNEW', 'PROTOCOL_ERROR'],
];

for (const [code, expected] of FINAL) {
  test(`registry R67 ${code} is ${expected} and not tried again`, () => {
    const error = classifyTransport(errorWith(code), url);
    assert.equal(error.code, expected);
    assert.equal(isPassing(error), false);
  });
}

const REASONS: readonly (readonly [code: string, message: string, expected: RegExp])[] = [
  ['CERT_HAS_EXPIRED', 'certificate has expired', /expired/],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'Host: x. is not in the cert', /another name/],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'self-signed', /unknown authority/],
  ['EPROTO', 'write EPROTO: error:0A00010B:SSL routines::wrong version number', /plain HTTP/],
];

for (const [code, message, expected] of REASONS) {
  test(`registry R38 ${code} names its reason`, () => {
    assert.match(classifyTransport(errorWith(code, message), url).message, expected);
  });
}

const STATUS: readonly (readonly [status: number, code: ErrorCode, isPassing: boolean])[] = [
  [408, 'SERVER_ERROR', true],
  [429, 'RATE_LIMITED', true],
  [500, 'SERVER_ERROR', true],
  [501, 'SERVER_ERROR', false],
  [502, 'SERVER_ERROR', true],
  [503, 'SERVER_ERROR', true],
  [504, 'SERVER_ERROR', true],
  [505, 'SERVER_ERROR', false],
  [400, 'PROTOCOL_ERROR', false],
  [404, 'MANIFEST_UNKNOWN', false],
];

for (const [status, code, expected] of STATUS) {
  test(`registry R66 status ${status} is ${expected ? '' : 'not '}tried again`, () => {
    assert.equal(isPassing(new SluiceError(code, { message: 'x', status })), expected);
  });
}

test('registry R66 what was tried often enough is not tried again further up', () => {
  assert.equal(isPassing(new SluiceError('SERVER_ERROR', { message: 'x', status: 503, tries: 5 })), false);
});

test('registry R35 a library error does not show a query', () => {
  const error = classifyTransport(errorWith('', 'asking https://cdn.test/blob?X-Amz-Signature=sentinel'), url);
  assert.doesNotMatch(JSON.stringify([error, String(error.cause)]), /sentinel/);
});

function errorWith(code: string, message = code): Error {
  return code === '' ? new Error(message) : Object.assign(new Error(message), { code });
}

function namedError(name: string): Error {
  return Object.assign(new Error('Response does not match the HTTP/1.1 protocol'), { name });
}
