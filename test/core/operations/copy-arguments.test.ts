import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type CopyPlace,
  copyTarget,
  type DestinationKind,
  parseCopyPlace,
} from '../../../src/core/operations/copy-arguments.ts';
import { engineError } from '../../support/engine-errors.ts';

describe('parseCopyPlace', () => {
  const path = (text: string, mustBeDirectory = false, isContents = false) => ({
    path: text,
    mustBeDirectory,
    isContents,
  });
  const rows: [string, CopyPlace][] = [
    ['-', { kind: 'stream' }],
    ['file', { kind: 'host', path: path('/cwd/file') }],
    ['./web:x', { kind: 'host', path: path('/cwd/web:x') }],
    ['/a:b', { kind: 'host', path: path('/a:b') }],
    ['dir/', { kind: 'host', path: path('/cwd/dir', true) }],
    ['.', { kind: 'host', path: path('/cwd', true, true) }],
    ['web:etc/x', { kind: 'container', container: 'web', path: path('/etc/x') }],
    ['web:/etc/.', { kind: 'container', container: 'web', path: path('/etc', true, true) }],
    ['web:/', { kind: 'container', container: 'web', path: path('/', true, true) }],
    ['web:../../x', { kind: 'container', container: 'web', path: path('/x') }],
    ['web:a:b', { kind: 'container', container: 'web', path: path('/a:b') }],
  ];
  for (const [text, expected] of rows) {
    it(`reads ${text}`, () => assert.deepEqual(parseCopyPlace(text, '/cwd'), expected));
  }
  for (const text of ['', ':x', 'web:', 'a\0b']) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseCopyPlace(text, '/cwd'), engineError('USAGE_INVALID'));
    });
  }
});

describe("copyTarget, docker's table", () => {
  const rows: [string, string, DestinationKind, string | undefined][] = [
    ['file /s/a', '/d/b', 'missing', 'in-parent b'],
    ['file /s/a', '/d/b/', 'missing', undefined],
    ['file /s/a', '/d/b', 'other', 'in-parent b'],
    ['file /s/a', '/d/b/', 'other', undefined],
    ['file /s/a', '/d/b', 'directory', 'into a'],
    ['dir /s/a', '/d/b', 'missing', 'in-parent b'],
    ['dir /s/a', '/d/b/', 'missing', 'in-parent b'],
    ['dir /s/a', '/d/b', 'other', undefined],
    ['dir /s/a', '/d/b', 'directory', 'into a'],
    ['dir /s/a/', '/d/b', 'directory', 'into a'],
    ['dir /s/a/.', '/d/b', 'directory', 'into '],
    ['dir /s/a/.', '/d/b', 'missing', 'in-parent b'],
    ['dir /', '/d/b', 'directory', 'into '],
  ];
  for (const [source, destination, kind, expected] of rows) {
    it(`${source} to ${destination}, which is ${kind}: ${expected ?? 'refused'}`, () => {
      const [type, typed = ''] = source.split(' ');
      const from = parseCopyPlace(typed, '/');
      const to = parseCopyPlace(destination, '/');
      assert.ok(from.kind === 'host' && to.kind === 'host');
      const decide = () => {
        const target = copyTarget(
          { isDirectory: type === 'dir', path: from.path },
          { kind, path: to.path },
        );
        return `${target.kind} ${target.as}`;
      };
      if (expected === undefined) assert.throws(decide, engineError('USAGE_INVALID'));
      else assert.equal(decide(), expected);
    });
  }
});
