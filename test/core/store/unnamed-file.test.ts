import assert from 'node:assert/strict';
import { closeSync, fstatSync, readdirSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { collectGarbage } from '../../../src/core/operations/collect-garbage.ts';
import { openUnnamedFile } from '../../../src/core/store/unnamed-file.ts';
import { tempEngine } from '../../support/temp-engine.ts';

it('a file without a name can be written and read, and is nowhere', () => {
  using temp = tempEngine();
  const { dataDir } = temp.engine.settings;
  const fd = openUnnamedFile(dataDir);
  try {
    writeSync(fd, 'hello');
    const bytes = Buffer.alloc(5);
    readSync(fd, bytes, 0, 5, 0);
    assert.equal(bytes.toString(), 'hello');
    const { nlink, mode } = fstatSync(fd);
    assert.deepEqual([nlink, mode & 0o777], [0, 0o600]);
    assert.deepEqual(readdirSync(join(dataDir, 'ingest')), []);
  } finally {
    closeSync(fd);
  }
});

it('one that a kill left with its name is collected', async () => {
  using temp = tempEngine();
  const path = join(temp.engine.settings.dataDir, 'ingest', '0123456789abcdef.tmp');
  writeFileSync(path, '');
  await collectGarbage(temp.engine);
  assert.deepEqual(readdirSync(join(temp.engine.settings.dataDir, 'ingest')), []);
});
