import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { tableLines } from '../../src/cli/table.ts';

describe('tableLines', () => {
  it('aligns columns with spaces and cuts nothing', async () => {
    const long = `registry.example/${'a'.repeat(200)}`;
    assert.deepEqual(
      await tableLines([
        ['ID', 'NAME', 'SIZE'],
        ['sha256-07738c36c639', long, '44MiB'],
      ]),
      [
        `ID                   NAME${' '.repeat(long.length - 4)}  SIZE`,
        `sha256-07738c36c639  ${long}  44MiB`,
      ],
    );
  });

  it('escapes what could move a cursor or make a second line', async () => {
    const [line] = await tableLines([['a\u001b[2Jb\nc', 'x']]);
    assert.equal(line, 'a\\x1b[2Jb\\x0ac  x');
  });

  it('is empty without rows', async () => {
    assert.deepEqual(await tableLines([]), []);
  });
});
