/** Layers of few names and much conflict, for properties that compare back-ends with GNU tar. */
import fc from 'fast-check';
import type { TarEntrySpec } from '../../../support/tar-builder.ts';

/** Short, so that entries meet each other in every way. */
const NAMES = ['a', 'b', '.c', '-d', 'e\xe9', 'f'.repeat(200)];
/** Never parents: GNU tar would follow them out of the directory that it unpacks into. */
const SYMLINK_NAMES = ['s', '!t'];

const path = fc
  .array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join('/'));

const attributes = fc.record({
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.oneof(fc.nat(3000), fc.constant(4_000_000_000)),
  gid: fc.nat(3000),
  mtime: fc
    .tuple(fc.integer({ min: -1_000_000, max: 4_000_000_000 }), fc.integer({ min: 1, max: 999 }))
    .map(([seconds, thousandths]) => `${seconds}.${String(thousandths).padStart(3, '0')}`),
});

const xattrs = fc.dictionary(
  fc.constantFrom('user.a', 'user.b', 'user.long-name'),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  { maxKeys: 2 },
);

/** A size at an edge of a block or not, and bytes that tell files apart. */
const content = fc
  .tuple(fc.constantFrom(0, 1, 511, 512, 513, 4095, 4096, 4097, 10_000), fc.nat(255))
  .map(([length, byte]) => Buffer.alloc(length, byte));

const file = fc
  .tuple(path, attributes, content, xattrs)
  .map(([name, more, bytes, extended]): TarEntrySpec => {
    return { ...more, name, content: bytes, xattrs: extended };
  });
/** Not setgid: a parent that no layer lists would inherit it when GNU tar makes it. */
const directory = fc.tuple(path, attributes).map(
  ([name, more]): TarEntrySpec => ({
    ...more,
    mode: more.mode & ~0o2000,
    name: `${name}/`,
    type: 'directory',
  }),
);
const symlink = fc
  .tuple(fc.option(path), fc.constantFrom(...SYMLINK_NAMES), fc.integer({ min: 1, max: 4095 }))
  .map(([parent, leaf, length]): TarEntrySpec => {
    const name = parent === null ? leaf : `${parent}/${leaf}`;
    return { name, type: 'symlink', mode: 0o777, link: 'x'.repeat(length) };
  });
const special = fc
  .tuple(path, attributes, fc.constantFrom('fifo', 'block-device'), fc.nat(0xfff), fc.nat(0xfffff))
  .map(([name, more, type, major, minor]): TarEntrySpec => ({ ...more, name, type, major, minor }));
const whiteout = fc.tuple(path, fc.boolean()).map(([hidden, isOpaque]): TarEntrySpec => {
  const slash = hidden.lastIndexOf('/') + 1;
  const parent = hidden.slice(0, slash);
  // Names of whiteouts go to the oracle as text, so they are ASCII.
  const leaf = /^[\x20-\x7e]+$/.test(hidden.slice(slash)) ? hidden.slice(slash) : 'a';
  const isAscii = /^[\x20-\x7e]*$/.test(parent);
  if (!isAscii) return { name: '.wh.nothing' };
  return { name: `${parent}${isOpaque && parent !== '' ? '.wh..wh..opq' : `.wh.${leaf}`}` };
});

/** A hard link to one of the files before it, by number. */
const hardlink = fc
  .tuple(path, fc.nat(50))
  .map(([name, pick]): TarEntrySpec => ({ name, type: 'hardlink', link: `${pick}` }));

const layer = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: file },
    { weight: 3, arbitrary: directory },
    { weight: 1, arbitrary: symlink },
    { weight: 1, arbitrary: special },
    { weight: 2, arbitrary: whiteout },
    { weight: 2, arbitrary: hardlink },
  ),
  { maxLength: 14 },
);

/** One to five layers. Some cannot be unpacked: a hard link's target may be gone when it comes. */
export const randomLayers = fc.array(layer, { minLength: 1, maxLength: 5 }).map(nameLinkTargets);

function nameLinkTargets(layers: readonly TarEntrySpec[][]): TarEntrySpec[][] {
  const files: string[] = [];
  return layers.map((entries) =>
    entries.flatMap((entry) => {
      if (entry.type === undefined && !entry.name.includes('.wh.')) files.push(entry.name);
      if (entry.type !== 'hardlink') return [entry];
      const target = files[Number(entry.link) % files.length];
      return target === undefined ? [] : [{ ...entry, link: target }];
    }),
  );
}
