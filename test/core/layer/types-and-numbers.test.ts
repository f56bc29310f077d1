import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ingest, typeName } from './layer-fixture.ts';
import { refuses } from './layer-rows.ts';

describe('types and numbers', () => {
  for (const type of ['A', 'I', 'N', 'V', 'X', 'Z', 'D', 'M', 's', '8', '\xff']) {
    refuses({
      what: `the type ${JSON.stringify(type)}`,
      tar: [{ name: 'odd', type }],
      says: /entry "odd" has the unknown type "/,
    });
  }
  refuses({
    what: 'a device with a major number over 4095',
    tar: [{ name: 'd', type: 'character-device', major: 4096 }],
    says: /has the device major 4096; it must be from 0 to 4095/,
  });
  refuses({
    what: 'a device with a minor number over 1048575',
    tar: [{ name: 'd', type: 'block-device', minor: 1_048_576 }],
    says: /has the device minor 1048576/,
  });
  refuses({
    what: 'a device with a negative number',
    tar: [{ name: 'd', type: 'character-device', major: -1 }],
    says: /has the device major -1/,
  });
  refuses({
    what: 'the owner -1',
    tar: [{ name: 'f', uid: 2 ** 32 - 1 }],
    says: /has the uid 4294967295/,
  });
  refuses({ what: 'a negative group', tar: [{ name: 'f', gid: -5 }], says: /has the gid -5/ });
  refuses({
    what: 'a negative size',
    tar: [{ name: 'f', size: -512, content: 'x' }],
    says: /has a size of -512 bytes/,
  });
  refuses({
    what: 'a size beyond exact numbers',
    tar: [{ name: 'f', editHeader: (header) => header.fill(0x81, 124, 125).fill(0x11, 125, 136) }],
    says: /has a size of/,
  });
  refuses({
    what: 'a number that is none',
    tar: [{ name: 'f', editHeader: (header) => header.write('rwxr-xr', 100) }],
    code: 'LAYER_INVALID',
    says: /the mode in the tar header at byte 0 is not a number/,
  });
  it('reads every type, with odd modes, owners and device numbers', async () => {
    const layer = await ingest([
      { name: 'suid', mode: 0o104755, uid: 1000, gid: 2 ** 32 - 2, content: 'x' },
      { name: 'sticky', type: 'directory', mode: 0o1777 },
      { name: 'none', mode: 0 },
      { name: 'seven', type: '7', content: 'contiguous' },
      { name: 'tty', type: 'character-device', major: 4095, minor: 1_048_575 },
      { name: 'disk', type: 'block-device', major: 8, minor: 1 },
      { name: 'whiteout-like', type: 'character-device', major: 0, minor: 0 },
      { name: 'pipe', type: 'fifo' },
      { name: 'old-file', type: '\0', content: 'old' },
      { name: 'old-directory/', type: '\0' },
    ]);
    assert.deepEqual(
      layer.entries.map(({ type, mode, uid, gid, major, minor }) => [
        typeName(type),
        mode,
        uid,
        gid,
        major,
        minor,
      ]),
      [
        ['file', 0o4755, 1000, 2 ** 32 - 2, 0, 0],
        ['directory', 0o1777, 0, 0, 0, 0],
        ['file', 0, 0, 0, 0, 0],
        ['file', 0o644, 0, 0, 0, 0],
        ['characterDevice', 0o644, 0, 0, 4095, 1_048_575],
        ['blockDevice', 0o644, 0, 0, 8, 1],
        ['characterDevice', 0o644, 0, 0, 0, 0],
        ['fifo', 0o644, 0, 0, 0, 0],
        ['file', 0o644, 0, 0, 0, 0],
        ['directory', 0o644, 0, 0, 0, 0],
      ],
    );
    assert.equal(layer.content('seven').toString(), 'contiguous');
    assert.equal(layer.content('old-file').toString(), 'old');
  });
  const times: readonly (readonly [
    mtime: number | string,
    seconds: number,
    nanoseconds: number,
  ])[] = [
    [0, 0, 0],
    ['-1', -1, 0],
    ['-1.5', -2, 500_000_000],
    ['1700000000.123456789', 1_700_000_000, 123_456_789],
    ['1700000000.1234567899', 1_700_000_000, 123_456_789],
    ['253402300799', 253_402_300_799, 0],
    ['1000000000000000000', Number.MAX_SAFE_INTEGER, 0],
    ['-1000000000000000000', -Number.MAX_SAFE_INTEGER, 0],
  ];
  for (const [mtime, seconds, nanoseconds] of times) {
    it(`reads the time ${mtime}`, async () => {
      const { entries } = await ingest([{ name: 'f', mtime }]);
      assert.equal(entries[0]?.mtimeSeconds, seconds);
      assert.equal(entries[0]?.mtimeNanoseconds, nanoseconds);
    });
  }
  it('reads a negative base-256 time', async () => {
    const editHeader = (header: Buffer) => header.fill(0xff, 136, 148);
    const { entries } = await ingest([{ name: 'f', editHeader }]);
    assert.equal(entries[0]?.mtimeSeconds, -1);
  });
  it('keeps duplicates in order, for the last to win', async () => {
    const layer = await ingest([
      { name: 'f', content: 'first' },
      { name: 'f', content: 'second' },
    ]);
    assert.equal(layer.entries.length, 2);
    assert.equal(layer.content('f').toString(), 'second');
  });
});
