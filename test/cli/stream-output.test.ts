import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { writeStream } from '../../src/cli/stream-output.ts';
import { EngineError } from '../../src/core/errors.ts';

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
    await assert.rejects(writeStream(chunks('x'), '/dev/full'), {
      code: 'HOST_CALL_FAILED',
      message: 'cannot write "/dev/full": ENOSPC: no space left on device',
    });
  });

  it('makes files that only their owner can read, also in place of others', async () => {
    const file = join(directory, 'c.tar');
    for (let round = 0; round < 2; round += 1) {
      await writeStream(chunks('root:secret'), file);
      assert.equal(statSync(file).mode & 0o777, 0o600);
      chmodSync(file, 0o644);
    }
  });

  const wrong = [
    { name: 'an empty name', path: '', message: /^the name of the file to write is empty$/ },
    {
      name: 'a directory that is missing',
      path: join(directory, 'no', 'such'),
      message: /^cannot write "[^"]*\/no\/such": its directory does not exist$/,
    },
    {
      name: 'a directory',
      path: directory,
      message: /^cannot write "[^"]*": it is a directory$/,
    },
    {
      name: 'a file as a directory',
      path: join(import.meta.filename, 'x'),
      message: /^cannot write "[^"]*\/x": what it names as a directory is none$/,
    },
  ];
  for (const { name, path, message } of wrong) {
    it(`calls it a mistake of the user to name ${name}`, async () => {
      await assert.rejects(writeStream(chunks('x'), path), (error) => {
        assert.ok(error instanceof EngineError);
        assert.equal(error.code, 'USAGE_INVALID');
        assert.match(error.message, message);
        assert.match(error.hint ?? '', /^Name a file/);
        return true;
      });
    });
  }
});
