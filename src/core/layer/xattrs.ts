/**
 * Which extended attributes of a layer become part of the image.
 *
 * An allow-list: capabilities, POSIX ACLs and `user.*`. `trusted.overlay.*` and `user.overlay.*`
 * would be orders to the host's overlay file system, and labels and measurements (`security.selinux`,
 * `.ima`, `.evm` …) are for the host's policy to give; they are dropped, and the caller is told.
 */
import { EntryType, type Xattr } from '../oci/layer-index.ts';
import { rejectedEntry } from './layer-error.ts';

const CAPABILITY = 'security.capability';
const LONGEST_NAME = 255;
/** The length is a 16-bit number in the layer index and in EROFS. */
const LONGEST_VALUE = 65535;
/** Per entry, names and values; Linux itself lists at most 64 KiB of names. */
const MOST_BYTES = 128 * 1024;

/**
 * The attributes of an entry that are kept, in order. `onDropped` gets the class of each other one,
 * such as `trusted.overlay.*`.
 *
 * @throws EngineError `LAYER_ENTRY_REJECTED` for attributes that no Linux file system could hold.
 */
export function keptXattrs(
  entry: { readonly name: string; readonly type: EntryType; readonly xattrs: readonly Xattr[] },
  onDropped: (xattrClass: string) => void,
): readonly Xattr[] {
  if (entry.xattrs.length === 0) return entry.xattrs;
  const kept = entry.xattrs.filter((xattr) => {
    const isKept = isAllowed(xattr.name, entry.type);
    if (!isKept) onDropped(classOf(xattr.name));
    return isKept;
  });
  let bytes = 0;
  for (const xattr of kept) {
    checkXattr(xattr, entry.name);
    bytes += xattr.name.length + xattr.value.length;
  }
  if (bytes > MOST_BYTES) {
    throw rejectedEntry(
      entry.name,
      `has ${bytes} bytes of extended attributes; ${MOST_BYTES} is the most`,
    );
  }
  return kept;
}

function isAllowed(name: string, type: EntryType): boolean {
  if (name === CAPABILITY) return type === EntryType.file;
  if (name === 'system.posix_acl_default') return type === EntryType.directory;
  if (name === 'system.posix_acl_access') return type !== EntryType.symlink;
  // Linux has user.* on files and directories only (xattr(7)).
  const holdsUser = type === EntryType.file || type === EntryType.directory;
  return name.startsWith('user.') && !name.startsWith('user.overlay.') && holdsUser;
}

function checkXattr({ name, value }: Xattr, entryName: string): void {
  if (name === CAPABILITY && !isCapability(value)) {
    throw rejectedEntry(
      entryName,
      `has a malformed capability of ${value.length} bytes, which no Linux file system takes`,
    );
  }
  if (name.length > LONGEST_NAME || name === 'user.') {
    throw rejectedEntry(
      entryName,
      `has an extended attribute whose name has ${name.length} bytes; 1 to ${LONGEST_NAME} are possible`,
    );
  }
  if (value.length > LONGEST_VALUE) {
    throw rejectedEntry(
      entryName,
      `has an extended attribute of ${value.length} bytes; ${LONGEST_VALUE} is the most`,
    );
  }
}

/**
 * Whether the kernel sets this value (`cap_convert_nscap`), as the directory back-end asks it to. A
 * metadata image would hold any value, and the file would then not start.
 */
function isCapability(value: Buffer): boolean {
  const [version, effective] =
    value.length < 4 ? [0, 0] : [value.readUInt8(3), value.readUIntLE(0, 3)];
  if (effective > 1) return false;
  if (version === 2) return value.length === 20;
  return version === 3 && value.length === 24 && value.readUInt32LE(20) !== 0xffffffff;
}

// Hostile names must not become as many different warnings.
function classOf(name: string): string {
  const [namespace = '', second = ''] = name.split('.');
  if (second === 'overlay') return `${namespace}.overlay.*`;
  return namespace === 'security' || namespace === 'system' ? name : `${namespace}.*`;
}
