/**
 * The xattr area of an EROFS inode: a 12-byte header (all zero: no bloom filter, no shared xattrs)
 * and entries aligned to 4 bytes, each `u8 name length, u8 prefix index, u16 value length`, the name
 * without its prefix, the value.
 */
import { EngineError, quoteBytes } from '../errors.ts';
import type { Xattr } from '../oci/layer-index.ts';
import { alignUp } from './erofs-format.ts';

const HEADER_BYTES = 12;
const ENTRY_HEADER_BYTES = 4;
/** The inode counts the area in words above the header, in 16 bits, with 0 for "no area". */
const MOST_BODY_BYTES = HEADER_BYTES + 4 * (0xffff - 1);
const LONGEST_NAME = 255;
const LONGEST_VALUE = 0xffff;

/** Name prefixes, with the number that stands for each; the POSIX ACL ones are whole names. */
const PREFIXES: readonly (readonly [prefix: string, index: number, isWhole: boolean])[] = [
  ['user.', 1, false],
  ['system.posix_acl_access', 2, true],
  ['system.posix_acl_default', 3, true],
  ['trusted.', 4, false],
  ['security.', 6, false],
];

/**
 * The xattr area for `xattrs`, which are not empty.
 *
 * @param where names the file, for the error.
 * @throws EngineError `LAYER_ENTRY_REJECTED` when a namespace has no number or a length does not fit.
 */
export function encodeXattrArea(xattrs: readonly Xattr[], where: () => string): Buffer {
  const entries = xattrs.map((xattr) => ({ ...splitName(xattr.name, where), value: xattr.value }));
  let bytes = HEADER_BYTES;
  for (const { suffix, value } of entries) {
    if (suffix.length > LONGEST_NAME || value.length > LONGEST_VALUE) {
      throw tooLarge(where, `an xattr of ${suffix.length} + ${value.length} bytes`);
    }
    bytes = alignUp(bytes + ENTRY_HEADER_BYTES + suffix.length + value.length, 4);
  }
  if (bytes > MOST_BODY_BYTES) throw tooLarge(where, `${bytes} bytes of xattrs`);
  const area = Buffer.alloc(bytes);
  let at = HEADER_BYTES;
  for (const { suffix, index, value } of entries) {
    area.writeUInt8(suffix.length, at);
    area.writeUInt8(index, at + 1);
    area.writeUInt16LE(value.length, at + 2);
    area.write(suffix, at + ENTRY_HEADER_BYTES, 'latin1');
    value.copy(area, at + ENTRY_HEADER_BYTES + suffix.length);
    at = alignUp(at + ENTRY_HEADER_BYTES + suffix.length + value.length, 4);
  }
  return area;
}

/** The inode's field that says how long its xattr area is. */
export function xattrCountField(areaBytes: number): number {
  return areaBytes === 0 ? 0 : 1 + (areaBytes - HEADER_BYTES) / 4;
}

function splitName(name: string, where: () => string): { suffix: string; index: number } {
  for (const [prefix, index, isWhole] of PREFIXES) {
    if (isWhole ? name === prefix : name.startsWith(prefix)) {
      return { suffix: name.slice(prefix.length), index };
    }
  }
  throw new EngineError(
    'LAYER_ENTRY_REJECTED',
    `${where()} has the xattr ${quoteBytes(name)}, whose namespace EROFS does not have`,
  );
}

function tooLarge(where: () => string, what: string): EngineError {
  return new EngineError(
    'LAYER_ENTRY_REJECTED',
    `${where()} has ${what}; EROFS holds ${LONGEST_NAME} + ${LONGEST_VALUE} bytes each, ${MOST_BODY_BYTES} in all`,
  );
}
