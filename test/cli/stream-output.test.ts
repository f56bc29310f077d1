import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { writeStream } from '../../src/cli/stream-output.ts';

const directory = mkdtempSync(join(tmpdir(), 'dray-stream-'));
after(() => rmSync(directory, { recursive: true }));

async function* chunks(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

async function* failing(): AsyncGenerator<Buffer> {
  yield Buffer.from('half');
  throw new RangeError('the source broke');
}

describe('writeStream', () => {
  it('replaces a file', async () => {
    const file = join(directory, 'a.tar');
    writeFileSync(file, 'a longer content than before');
    await writeStream(chunks('one', 'two'), file);
    assert.equal(readFileSync(file, 'utf8'), 'onetwo');
  });

  it('leaves the old file, and nothing else, when the source breaks', async () => {
    const file = join(directory, 'b.tar');
    writeFileSync(file, 'old');
    await assert.rejects(writeStream(failing(), file), RangeError);
    assert.equal(readFileSync(file, 'utf8'), 'old');
    assert.deepEqual(
      readdirSync(directory).filter((name) => name.includes('partial')),
      [],
    );
  });

  it('writes to a device without replacing it', async () => {
    await writeStream(chunks('x'), '/dev/null');
    assert.equal(readFileSync('/dev/null').length, 0);
  });

  it('says what cannot be written, and why', async () => {
    await assert.rejects(writeStream(chunks('x'), join(directory, 'no', 'such')), {
      code: 'HOST_CALL_FAILED',
      message: /^cannot write ".*\/no\/such": ENOENT/,
    });
    await assert.rejects(writeStream(chunks('x'), '/dev/full'), {
      code: 'HOST_CALL_FAILED',
      message: /ENOSPC/,
    });
  });
});
