import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseListFormat } from '../../../src/cli/template/format-flag.ts';

const TITLES = { ID: 'CONTAINER ID', Names: 'NAMES', Label: (key: unknown) => String(key) };
const ROWS = [
  { ID: '123', Names: 'web', Label: () => 'x' },
  { ID: '4567890', Names: 'a-long-name', Label: () => '' },
];

async function linesOf(format: string): Promise<string[] | undefined> {
  return await parseListFormat(format)?.lines(ROWS, TITLES);
}

describe('--format of a list', () => {
  const rows: readonly (readonly [string, readonly string[] | undefined])[] = [
    ['{{.ID}}', ['123', '4567890']],
    ['{{.ID}}\\t{{.Names}}', ['123\tweb', '4567890\ta-long-name']],
    ['{{if .ID}}a\\tb{{end}}{{"\\t"}}', ['a\tb\t', 'a\tb\t']],
    ['json', ['{"ID":"123","Names":"web"}', '{"ID":"4567890","Names":"a-long-name"}']],
    ['{{json .}}', ['{"ID":"123","Names":"web"}', '{"ID":"4567890","Names":"a-long-name"}']],
    ['{{.Label "a"}}', ['x', '']],
    [
      'table {{.ID}}\\t{{.Names}}',
      ['CONTAINER ID  NAMES', '123           web', '4567890       a-long-name'],
    ],
    ['table {{upper .Names}}', ['NAMES', 'WEB', 'A-LONG-NAME']],
    ['table{{.ID}}', ['CONTAINER ID', '123', '4567890']],
    ['table', undefined],
    ['tablet {{.ID}}', ['tablet 123', 'tablet 4567890']],
  ];
  for (const [format, lines] of rows) {
    it(`${JSON.stringify(format)} is understood as docker does`, async () => {
      assert.deepEqual(await linesOf(format), lines);
    });
  }

  it('tells which fields it could show', () => {
    assert.equal(parseListFormat('{{.Mounts}}')?.uses('Mounts'), true);
    assert.equal(parseListFormat('{{.ID}}')?.uses('Mounts'), false);
    assert.equal(parseListFormat('{{json .}}')?.uses('Mounts'), true);
  });
});
