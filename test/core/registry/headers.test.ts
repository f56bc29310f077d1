import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseContentRange } from '../../../src/core/registry/content-range.ts';
import {
  endpointOf,
  isPlainHttpAllowed,
  redactUrl,
  refusalOf,
} from '../../../src/core/registry/endpoint.ts';
import { parseRetryAfter } from '../../../src/core/registry/retry.ts';

describe('parseContentRange', () => {
  it('reads a range with and without a total', () => {
    assert.deepEqual(parseContentRange('bytes 5-9/10'), { start: 5, end: 9, total: 10 });
    assert.deepEqual(parseContentRange('bytes 0-0/*'), { start: 0, end: 0, total: undefined });
  });
  const refused = [
    undefined,
    '',
    'bytes */10',
    'bytes 9-5/10',
    'bytes 5-10/10',
    'bytes=5-9/10',
    'bytes -5-9/10',
    'items 5-9/10',
    'bytes 5-9',
    'bytes 1e1-20/30',
    `bytes 1-2/${'9'.repeat(30)}`,
  ];
  for (const value of refused) {
    it(`refuses ${value}`, () => assert.equal(parseContentRange(value), undefined));
  }
});

describe('parseRetryAfter', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  const rows: [value: string | undefined, ms: number | undefined][] = [
    ['3', 3000],
    [' 0 ', 0],
    ['99999999', 99_999_999_000],
    ['Thu, 01 Jan 2026 00:00:10 GMT', 10_000],
    ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
    ['-1', undefined],
    ['soon', undefined],
    ['x'.repeat(100_000), undefined],
    [undefined, undefined],
  ];
  for (const [value, ms] of rows) {
    it(`reads ${value?.slice(0, 40)}`, () => {
      assert.equal(parseRetryAfter(value, now), ms);
    });
  }
});

describe('endpointOf', () => {
  const rows: [registry: string, insecure: string[], endpoint: string][] = [
    ['docker.io', [], 'https://registry-1.docker.io/'],
    ['quay.io', [], 'https://quay.io/'],
    ['quay.io:8443', [], 'https://quay.io:8443/'],
    ['127.0.0.1:5000', [], 'http://127.0.0.1:5000/'],
    ['127.9.9.9', [], 'http://127.9.9.9/'],
    ['localhost:5000', [], 'http://localhost:5000/'],
    ['[::1]:5000', [], 'http://[::1]:5000/'],
    ['registry.lan:5000', ['registry.lan:5000'], 'http://registry.lan:5000/'],
    ['registry.lan:5000', ['Registry.LAN:5000'], 'http://registry.lan:5000/'],
    ['registry.lan:80', ['registry.lan:80'], 'http://registry.lan/'],
    ['registry.lan:80', ['registry.lan'], 'http://registry.lan/'],
    ['registry.lan:443', ['registry.lan:443'], 'http://registry.lan:443/'],
    ['registry.lan:5001', ['registry.lan:5000'], 'https://registry.lan:5001/'],
    ['registry.lan:443', ['registry.lan'], 'https://registry.lan/'],
    ['10.9.9.0', ['10.9.9.0/24'], 'https://10.9.9.0/'],
    ['registry.lan', ['user@registry.lan'], 'https://registry.lan/'],
    ['registry.lan', ['http://registry.lan', '', ':', '*'], 'https://registry.lan/'],
    ['my.registry.lan:5000', ['registry.lan:5000'], 'https://my.registry.lan:5000/'],
    ['127.evil.example', [], 'https://127.evil.example/'],
    ['localhost.evil.example', [], 'https://localhost.evil.example/'],
  ];
  for (const [registry, insecure, endpoint] of rows) {
    it(`finds ${registry} at ${endpoint}`, () => {
      assert.equal(endpointOf(registry, insecure).href, endpoint);
    });
  }
});

describe('refusalOf', () => {
  const rows: [name: string, target: string, from: string, isAllowed: boolean][] = [
    ['https from https', 'https://cdn.example/x', 'https://r.example/', true],
    ['https from http', 'https://cdn.example/x', 'http://127.0.0.1:5000/', true],
    ['loopback http from loopback http', 'http://127.0.0.1:1/x', 'http://127.0.0.1:5000/', true],
    ['a listed host in http from http', 'http://lan:1/x', 'http://127.0.0.1:5000/', true],
    ['http from https', 'http://r.example/x', 'https://r.example/', false],
    ['loopback http from https', 'http://127.0.0.1/x', 'https://r.example/', false],
    [
      'the metadata service from loopback',
      'http://169.254.169.254/x',
      'http://127.0.0.1:5000/',
      false,
    ],
    ['a file', 'file:///etc/passwd', 'http://127.0.0.1:5000/', false],
    ['ftp', 'ftp://r.example/x', 'http://127.0.0.1:5000/', false],
    ['user information', 'https://u:p@r.example/x', 'https://r.example/', false],
  ];
  for (const [name, target, from, isAllowed] of rows) {
    it(`${isAllowed ? 'allows' : 'refuses'} ${name}`, () => {
      assert.equal(refusalOf(new URL(target), new URL(from), ['lan:1']) === undefined, isAllowed);
    });
  }

  it('compares hosts of the insecure list exactly', () => {
    assert.ok(!isPlainHttpAllowed(new URL('http://x.lan:1/'), ['lan:1']));
    assert.ok(!isPlainHttpAllowed(new URL('http://lan:12/'), ['lan:1']));
  });
});

describe('redactUrl', () => {
  it('shows neither user information nor query nor fragment', () => {
    const url = new URL('https://u:p@h:1/path?X-Amz-Signature=s3cret#frag');
    assert.equal(redactUrl(url), 'https://h:1/path?…');
  });
});
