/**
 * Builds tars byte by byte, legal or hostile, without any tar library.
 *
 * Strings are latin1: one character is one byte, so that a test can name any byte. Use
 * `utf8('é')` for text.
 */

/** Names for the type flags; any other one-character string is the flag itself. */
const TYPE_FLAGS: Readonly<Record<string, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  'character-device': '3',
  'block-device': '4',
  directory: '5',
  fifo: '6',
};

/** One entry of a tar. */
export interface TarEntrySpec {
  readonly name: string;
  /** A word such as `symlink`, or a type flag such as `S`. Default: `file`. */
  readonly type?: string;
  /** Default 0755 for directories, else 0644. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly content?: Buffer | string;
  /** The size field, when it must differ from the length of `content`. */
  readonly size?: number;
  /** Seconds; a fraction, a negative or a huge value goes into a PAX record. Default 0. */
  readonly mtime?: number | string;
  readonly link?: string;
  readonly major?: number;
  readonly minor?: number;
  /** PAX records of this entry. */
  readonly pax?: Readonly<Record<string, string | Buffer>>;
  /** PAX records in order, for keys that occur twice. They follow `pax`. */
  readonly paxList?: readonly (readonly [string, string | Buffer])[];
  /** The body of the PAX header, verbatim; replaces all other records. */
  readonly paxBody?: Buffer | string;
  /** Extended attributes, written as `SCHILY.xattr.*` records. */
  readonly xattrs?: Readonly<Record<string, string | Buffer>>;
  /** How a name or link of more than 100 bytes is written. Default `pax`. */
  readonly longNames?: 'pax' | 'gnu' | 'prefix' | 'cut';
  /** The 8 bytes of magic and version. Default `ustar\0` `00`. */
  readonly magic?: string;
  /** Changes the finished header before its checksum is computed. */
  readonly editHeader?: (header: Buffer) => void;
  /** The checksum field. Default `unsigned`, as POSIX has it. */
  readonly checksum?: 'unsigned' | 'signed' | 'wrong';
  /** Bytes that stand here instead of an entry; all other fields are ignored. */
  readonly raw?: Buffer;
}

/** How the archive ends. */
export interface TarOptions {
  /** Whether two zero blocks follow the last entry. Default true. */
  readonly endBlocks?: boolean;
}

/** The bytes of a tar with these entries in this order. */
export function tarOf(entries: readonly TarEntrySpec[], options: TarOptions = {}): Buffer {
  const end = options.endBlocks === false ? Buffer.alloc(0) : Buffer.alloc(1024);
  return Buffer.concat([...entries.flatMap(entryBlocks), end]);
}

/** The latin1 string of the UTF-8 bytes of `text`, as every name in a test must be given. */
export function utf8(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** One PAX record: its own length in decimal, a space, `key=value`, a newline. */
export function paxRecord(key: string, value: string | Buffer): Buffer {
  const body = Buffer.concat([bytesOf(` ${key}=`), bytesOf(value), bytesOf('\n')]);
  let length = body.length + 1;
  while (String(length).length + body.length !== length) length += 1;
  return Buffer.concat([bytesOf(String(length)), body]);
}

/** `content` followed by zeros up to a multiple of 512 bytes. */
export function padded(content: Buffer | string): Buffer {
  const bytes = bytesOf(content);
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

function bytesOf(value: Buffer | string): Buffer {
  return typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
}

function entryBlocks(entry: TarEntrySpec): Buffer[] {
  if (entry.raw !== undefined) return [entry.raw];
  const content = bytesOf(entry.content ?? '');
  return [
    ...paxBlocks(entry),
    ...gnuLongBlocks(entry),
    headerBlock(entry, entry.size ?? content.length),
    padded(content),
  ];
}

function paxBlocks(entry: TarEntrySpec): Buffer[] {
  const body = entry.paxBody === undefined ? paxBodyOf(entry) : bytesOf(entry.paxBody);
  if (body.length === 0) return [];
  return [headerBlock({ name: 'PaxHeaders/x', type: 'x' }, body.length), padded(body)];
}

function paxBodyOf(entry: TarEntrySpec): Buffer {
  const records: Buffer[] = [];
  const isPax = (entry.longNames ?? 'pax') === 'pax';
  if (isPax && entry.name.length > 100) records.push(paxRecord('path', entry.name));
  if (isPax && (entry.link ?? '').length > 100) {
    records.push(paxRecord('linkpath', entry.link ?? ''));
  }
  if (!isHeaderTime(entry.mtime ?? 0)) records.push(paxRecord('mtime', String(entry.mtime)));
  for (const [name, value] of Object.entries(entry.xattrs ?? {})) {
    records.push(paxRecord(`SCHILY.xattr.${name}`, value));
  }
  for (const [key, value] of Object.entries(entry.pax ?? {})) records.push(paxRecord(key, value));
  for (const [key, value] of entry.paxList ?? []) records.push(paxRecord(key, value));
  return Buffer.concat(records);
}

function isHeaderTime(mtime: number | string): mtime is number {
  return typeof mtime === 'number' && Number.isInteger(mtime) && mtime >= 0 && mtime < 8 ** 11;
}

function gnuLongBlocks(entry: TarEntrySpec): Buffer[] {
  if (entry.longNames !== 'gnu') return [];
  const blocks: Buffer[] = [];
  for (const [type, text] of [
    ['K', entry.link ?? ''],
    ['L', entry.name],
  ] as const) {
    if (text.length <= 100) continue;
    const body = bytesOf(`${text}\0`);
    blocks.push(headerBlock({ name: '././@LongLink', type }, body.length), padded(body));
  }
  return blocks;
}

function headerBlock(entry: TarEntrySpec, size: number): Buffer {
  const header = Buffer.alloc(512);
  const type = entry.type ?? 'file';
  const [prefix, name] = splitName(entry);
  header.write(name.slice(0, 100), 0, 'latin1');
  writeNumber(header, entry.mode ?? (type === 'directory' ? 0o755 : 0o644), [100, 8]);
  writeNumber(header, entry.uid ?? 0, [108, 8]);
  writeNumber(header, entry.gid ?? 0, [116, 8]);
  writeNumber(header, size, [124, 12]);
  const mtime = entry.mtime ?? 0;
  writeNumber(header, isHeaderTime(mtime) ? mtime : 0, [136, 12]);
  header.write(TYPE_FLAGS[type] ?? type, 156, 1, 'latin1');
  header.write((entry.link ?? '').slice(0, 100), 157, 'latin1');
  header.write(
    entry.magic ?? (entry.longNames === 'gnu' ? 'ustar  \0' : 'ustar\x0000'),
    257,
    'latin1',
  );
  if (entry.major !== undefined) writeNumber(header, entry.major, [329, 8]);
  if (entry.minor !== undefined) writeNumber(header, entry.minor, [337, 8]);
  header.write(prefix.slice(0, 155), 345, 'latin1');
  entry.editHeader?.(header);
  writeChecksum(header, entry.checksum ?? 'unsigned');
  return header;
}

function splitName(entry: TarEntrySpec): [prefix: string, name: string] {
  if (entry.longNames !== 'prefix' || entry.name.length <= 100) return ['', entry.name];
  const slash = entry.name.indexOf('/', entry.name.length - 101);
  return [entry.name.slice(0, slash), entry.name.slice(slash + 1)];
}

/** Octal where it fits, else base-256 (two's complement, as GNU tar writes it). */
function writeNumber(header: Buffer, value: number, [at, length]: [number, number]): void {
  if (value >= 0 && value < 8 ** (length - 1)) {
    header.write(value.toString(8).padStart(length - 1, '0'), at, 'latin1');
    return;
  }
  let rest = BigInt(value);
  for (let index = at + length - 1; index >= at; index -= 1) {
    header[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  header[at] = (header[at] ?? 0) | 0x80;
}

function writeChecksum(header: Buffer, kind: 'unsigned' | 'signed' | 'wrong'): void {
  header.fill(' ', 148, 156);
  let sum = kind === 'wrong' ? 1 : 0;
  for (const byte of header) sum += kind === 'signed' && byte > 127 ? byte - 256 : byte;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}
