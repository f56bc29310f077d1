import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { tarOf } from '../../support/tar-builder.ts';
import { ingest } from './layer-fixture.ts';
import { refuses } from './layer-rows.ts';

describe('the archive', () => {
  const file = { name: 'f', content: Buffer.alloc(1000, 'c') };
  refuses({
    what: 'a wrong checksum',
    tar: [{ name: 'f', checksum: 'wrong' }],
    code: 'LAYER_INVALID',
    says: /tar header at byte 0 does not match its checksum/,
  });
  refuses({
    what: 'garbage between entries, saying where',
    tar: [file, { name: '', raw: Buffer.alloc(512, 'garbage') }, file],
    code: 'LAYER_INVALID',
    says: /tar header at byte 1536/,
  });
  refuses({
    what: 'a single zero block with more after it',
    tar: [file, { name: '', raw: Buffer.alloc(512) }, file],
    code: 'LAYER_INVALID',
    says: /goes on at byte 2048 after a single zero block/,
  });
  const whole = tarOf([file, { name: 'g', pax: { path: 'h' } }], { endBlocks: false });
  for (const [what, length] of [
    ['inside a header', 100],
    ['at the end of a header', 512],
    ['inside contents', 1000],
    ['after a PAX header block', 2048],
    ['inside a PAX header', 2050],
    ['between a PAX header and its entry', 2560],
  ] as const) {
    refuses({
      what: `a tar that is cut ${what}`,
      tar: whole.subarray(0, length),
      code: 'LAYER_INVALID',
      says: new RegExp(`the tar ends at byte ${length}, in the middle of an entry`),
    });
  }
  refuses({
    what: 'text',
    tar: Buffer.from('<html>'.repeat(200)),
    code: 'LAYER_INVALID',
    says: /the checksum of the tar header at byte 0 is not a number/,
  });
  const ends: readonly (readonly [what: string, tar: Buffer])[] = [
    ['that ends with two zero blocks', tarOf([file])],
    ['that ends with its last entry', tarOf([file], { endBlocks: false })],
    ['that ends without the padding of its contents', tarOf([file]).subarray(0, 1512)],
    ['that ends with one zero block', tarOf([file]).subarray(0, 2048)],
    ['that is padded to a record', Buffer.concat([tarOf([file]), Buffer.alloc(8192)])],
    ['with anything behind its end', Buffer.concat([tarOf([file]), Buffer.from('garbage')])],
    ['with signed checksums', tarOf([{ ...file, name: 'f\xff', checksum: 'signed' }, file])],
    ['in the format of V7', tarOf([{ ...file, magic: '\0' }])],
  ];
  for (const [what, tar] of ends) {
    it(`reads an archive ${what}`, async () => {
      const layer = await ingest(tar);
      assert.deepEqual(layer.content('f'), file.content);
    });
  }
  it('reads a layer without entries, and one without bytes', async () => {
    for (const tar of [tarOf([]), Buffer.alloc(0)]) {
      for (const compressed of ['none', 'gzip', 'zstd'] as const) {
        const layer = await ingest(tar, { compressed });
        assert.equal(layer.entries.length, 0);
        assert.equal(layer.data.length, 0);
        assert.equal(layer.index.dataBlocks, 0);
      }
    }
    assert.equal((await ingest(Buffer.alloc(0), { compression: 'gzip' })).entries.length, 0);
  });
  it('takes a prefix from GNU headers only where no time can be', async () => {
    const gnu = { name: 'n', magic: 'ustar  \0' };
    const layer = await ingest([
      { ...gnu, editHeader: (header) => header.write('14600000000\0 14600000000', 345) },
      { ...gnu, editHeader: (header) => header.write('some/prefix', 345) },
      {
        name: 'n',
        editHeader: (header) => header.write('star/prefix', 345) && header.write('tar\0', 508),
      },
    ]);
    assert.deepEqual(
      layer.entries.map(({ name }) => name),
      ['n', 'some/prefix/n', 'star/prefix/n'],
    );
  });
});

describe('limits', () => {
  const zeros = { name: 'z', content: Buffer.alloc(3_000_000) };
  refuses({
    what: 'a tar that expands too far',
    tar: [zeros],
    code: 'LAYER_INVALID',
    says: /bytes of the blob inflate to more than 2000000/,
    options: { limits: { freeTarBytes: 2_000_000, maxExpansion: 0 } },
  });
  refuses({
    what: 'files that take too many bytes',
    tar: [zeros],
    code: 'LAYER_INVALID',
    says: /files of the layer take more than 2000000 bytes/,
    options: { limits: { maxDataBytes: 2_000_000 } },
  });
  refuses({
    what: 'too many entries',
    tar: Array.from({ length: 11 }, (_, at) => ({ name: `f${at}` })),
    code: 'LAYER_INVALID',
    says: /more than 10 entries/,
    options: { limits: { maxEntries: 10 } },
  });
  refuses({
    what: 'too many bytes of names',
    tar: [{ name: 'f', xattrs: { 'user.x': Buffer.alloc(500) } }, { name: 'n'.repeat(200) }],
    code: 'LAYER_INVALID',
    says: /names of the layer take more than 600 bytes/,
    options: { limits: { maxNameBytes: 600 } },
  });
  it('accepts what stays within them', async () => {
    const layer = await ingest([zeros], {
      limits: { freeTarBytes: 4_000_000, maxDataBytes: 3_002_368, maxEntries: 1, maxNameBytes: 1 },
    });
    assert.deepEqual(layer.content('z'), zeros.content);
  });
});
