/** What must hold for every tar, also for those that nobody thought of. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EngineError } from '../../../src/core/errors.ts';
import { nullDataSink } from '../../../src/core/layer/data-sink.ts';
import { cleanName } from '../../../src/core/layer/entry-path.ts';
import { LayerRecorder } from '../../../src/core/layer/layer-recorder.ts';
import { DEFAULT_LAYER_LIMITS } from '../../../src/core/layer/limits.ts';
import { parsePax } from '../../../src/core/layer/pax.ts';
import { TarParser } from '../../../src/core/layer/tar-parser.ts';
import { EntryType } from '../../../src/core/oci/layer-index.ts';
import { padded, paxRecord, type TarEntrySpec, tarOf } from '../../support/tar-builder.ts';
import { entriesOf, ingest } from './layer-fixture.ts';

const RUNS = { numRuns: 150 };

/** Any string of bytes that a tar can carry as a name. */
const part = fc.string({
  unit: fc
    .integer({ min: 1, max: 255 })
    .map((code) => (code === 0x2f ? 'x' : String.fromCharCode(code))),
  minLength: 1,
  maxLength: 130,
});
const isPlain = (name: string): boolean =>
  name !== '.' && name !== '..' && !name.startsWith('.wh.');
const plainName = fc
  .array(part.filter(isPlain), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/'));

const fileSpec = fc.record({
  name: plainName,
  content: fc.uint8Array({ maxLength: 9000 }).map((bytes) => Buffer.from(bytes)),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 2 ** 32 - 2 }),
  gid: fc.integer({ min: 0, max: 2 ** 32 - 2 }),
  mtime: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
  longNames: fc.constantFrom('pax' as const, 'gnu' as const),
  xattrs: fc.dictionary(
    part
      .filter((name) => !name.includes('=') && !name.startsWith('overlay.'))
      .map((name) => `user.${name}`),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    { maxKeys: 3, noNullPrototype: true },
  ),
});

/** Parses without inflating or hashing; pieces of `size` bytes. */
function parse(tar: Buffer, size: number): { entries: unknown; data: Buffer } {
  const runs: { bytes: Buffer; position: number }[] = [];
  let length = 0;
  const sink = {
    ...nullDataSink(),
    write: (run: Buffer, lengthBytes: number, position: number) => {
      runs.push({ bytes: Buffer.from(run.subarray(0, lengthBytes)), position });
    },
    end: (sizeBytes: number) => {
      length = sizeBytes;
    },
  };
  const recorder = new LayerRecorder(sink, { ...DEFAULT_LAYER_LIMITS, maxDataBytes: 2 ** 26 });
  const parser = new TarParser(recorder);
  for (let at = 0; at < tar.length; at += size) parser.push(tar.subarray(at, at + size));
  parser.end();
  const { index } = recorder.finish();
  const data = Buffer.alloc(length);
  for (const { bytes, position } of runs) bytes.copy(data, position);
  return { entries: entriesOf(index), data };
}

describe('every tar', () => {
  it('comes back as it was built', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fileSpec, { maxLength: 6 }), async (specs) => {
        const layer = await ingest(specs);
        assert.equal(layer.entries.length, specs.length);
        for (const [at, spec] of specs.entries()) {
          const entry = layer.entries[at];
          assert.equal(entry?.type, EntryType.file);
          assert.equal(entry?.name, spec.name);
          assert.deepEqual(
            [entry?.mode, entry?.uid, entry?.gid, entry?.mtimeSeconds, entry?.sizeBytes],
            [spec.mode, spec.uid, spec.gid, spec.mtime, spec.content.length],
          );
          const start = (entry?.block ?? 0) * 4096;
          assert.ok(layer.data.subarray(start, start + spec.content.length).equals(spec.content));
          const xattrs = Object.entries(spec.xattrs).map(([name, value]) => ({ name, value }));
          assert.deepEqual(entry?.xattrs, xattrs);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('means the same however it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fileSpec, { maxLength: 4 }),
        fc.integer({ min: 1, max: 3000 }),
        (specs, size) => {
          const tar = tarOf(specs);
          assert.deepEqual(parse(tar, size), parse(tar, tar.length));
        },
      ),
      RUNS,
    );
  });

  it('is read or refused, never a crash, with any bytes of it changed', () => {
    const specs: TarEntrySpec[] = [
      { name: 'f', content: 'contents', xattrs: { 'user.x': 'y' }, mtime: 1.5 },
      { name: 'n'.repeat(120), longNames: 'gnu' },
      { name: 'l', type: 'hardlink', link: 'f' },
      { name: 'sp', content: 'ab', pax: { 'GNU.sparse.size': '9', 'GNU.sparse.map': '0,1,8,1' } },
      {
        name: 'sp1',
        content: Buffer.concat([padded('1\n0\n1\n'), Buffer.from('x')]),
        pax: { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': '4' },
      },
      { name: 'c', type: 'character-device', major: 1, minor: 2 },
      { name: '.wh.x' },
    ];
    // Checksums are repaired, so that the change reaches the code behind them.
    const repaired = (header: Buffer): void => {
      header.fill(' ', 148, 156);
      const sum = header.reduce((total, byte) => total + byte, 0);
      header.write(sum.toString(8).padStart(6, '0'), 148);
    };
    const original = tarOf(specs);
    let accepted = 0;
    const change = fc.tuple(fc.nat(original.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        const tar = Buffer.from(original);
        for (const [at, byte] of changes) {
          tar[at] = byte;
          repaired(tar.subarray(at - (at % 512), at - (at % 512) + 512));
        }
        try {
          parse(tar, 700);
          accepted += 1;
        } catch (error) {
          assert.ok(error instanceof EngineError, String(error));
        }
      }),
      { numRuns: 1500 },
    );
    assert.ok(accepted > 0);
  });
});

describe('every name', () => {
  const anyName = fc
    .array(fc.oneof(part, fc.constantFrom('', '.', '..', '...')), { maxLength: 8 })
    .map((parts) => parts.join('/'));

  it('is refused or becomes one without empty, "." and ".." parts, and cleaning that changes nothing', () => {
    fc.assert(
      fc.property(anyName, (name) => {
        try {
          const clean = cleanName(name);
          const parts = clean === '' ? [] : clean.split('/');
          assert.ok(
            parts.every((each) => each !== '' && each !== '.' && each !== '..'),
            clean,
          );
          assert.equal(cleanName(clean), clean);
        } catch (error) {
          assert.ok(error instanceof EngineError, String(error));
          assert.ok(name.includes('..'));
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('every PAX header', () => {
  it('gives back its records', () => {
    const value = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    const key = part.filter((name) => !name.includes('='));
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(key, value), { selector: ([name]) => name }),
        (records) => {
          const body = Buffer.concat(
            records.map(([name, bytes]) => paxRecord(`SCHILY.xattr.${name}`, bytes)),
          );
          assert.deepEqual(
            parsePax(body).xattrs,
            records.map(([name, bytes]) => ({ name, value: bytes })),
          );
        },
      ),
      RUNS,
    );
  });

  it('is read or refused, never a crash', () => {
    const text = fc.string({
      unit: fc.constantFrom(...'0123456789 =\npathsizeGNU.'),
      maxLength: 60,
    });
    fc.assert(
      fc.property(text, (body) => {
        try {
          parsePax(Buffer.from(body, 'latin1'));
        } catch (error) {
          assert.ok(error instanceof EngineError, String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });
});
