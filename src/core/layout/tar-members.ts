/**
 * Random access to the members of an uncompressed tar file, as image archives are.
 *
 * Only names and places are read; contents are read later, by position. node-tar decodes the headers.
 * Image archives carry ASCII names, so its limits do not matter here; layers have a parser of their
 * own.
 */
import { closeSync, fstatSync, readSync } from 'node:fs';
import { Header, Pax } from 'tar';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { openRegularFile } from './regular-file.ts';

/** Where a member's bytes are in the archive. */
export interface TarMember {
  readonly offset: number;
  readonly sizeBytes: number;
}

/** An archive that is open, and what errors call it. */
export interface OpenArchive {
  /** A regular file; read by position. */
  readonly fd: number;
  readonly label: string;
}

/** An open archive with its table of members. Whoever opens it disposes it. */
export interface TarMembers extends Disposable {
  readonly fd: number;
  /** Members by name, without a leading `./`. A link is followed once, within the archive. */
  find(name: string): TarMember | undefined;
}

const BLOCK = 512;
const LONGEST_META_BYTES = 1024 * 1024;
/** Far more than a thousand images of a hundred layers have in the oldest format. */
const MOST_MEMBERS = 500_000;

/**
 * Opens an archive and reads its table of members.
 *
 * @throws EngineError `IMAGE_INVALID` when it is no file, compressed, not a tar file, or has a member
 *   twice or one that leads out of it; `IMAGE_NOT_FOUND` when it is missing.
 */
export function openTarMembers(path: string): TarMembers {
  return tarMembersOf({ fd: openArchive(path), label: path });
}

/** As `openTarMembers`, of a file that is open; disposing closes it, and so does a failure. */
export function tarMembersOf({ fd, label }: OpenArchive): TarMembers {
  try {
    const { members, links } = readMembers({ fd, label });
    return {
      fd,
      find: (name) => members.get(name) ?? members.get(links.get(name) ?? ''),
      [Symbol.dispose]: () => closeSync(fd),
    };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function openArchive(path: string): number {
  try {
    return openRegularFile(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      throw new EngineError('IMAGE_NOT_FOUND', `there is no archive at ${quote(path)}`);
    }
    throw error;
  }
}

function readMembers({ fd, label }: OpenArchive) {
  const table = new MemberTable(label);
  const total = fstatSync(fd).size;
  const block = Buffer.alloc(BLOCK);
  let extended: ExtendedHeader = {};
  for (let at = 0, count = 0; at + BLOCK <= total; count += 1) {
    readSync(fd, block, 0, BLOCK, at);
    const header = decodeHeader(block, label, at);
    if (header === undefined) break;
    if (count === MOST_MEMBERS) throw notAnArchive(label, `holds more than ${count} members`);
    const isMeta = META_TYPES.has(header.type);
    const sizeBytes = (isMeta ? undefined : extended.size) ?? header.size ?? 0;
    const offset = at + BLOCK;
    if (sizeBytes < 0 || offset + sizeBytes > total) {
      throw notAnArchive(label, `is cut short inside its member ${quote(header.path ?? '')}`);
    }
    if (isMeta) {
      extended = { ...extended, ...readExtended(fd, { offset, sizeBytes }, header.type) };
    } else {
      table.add({ header, ...extended }, { offset, sizeBytes });
      extended = {};
    }
    at = offset + Math.ceil(sizeBytes / BLOCK) * BLOCK;
  }
  if (table.members.size === 0) throw notAnArchive(label, 'holds no files');
  return table;
}

/** What a header before the member's own says of it. */
interface ExtendedHeader {
  readonly path?: string;
  readonly linkpath?: string;
  /** Go writes the size here when it is beyond 8 GiB. */
  readonly size?: number;
}

const META_TYPES: ReadonlySet<string> = new Set([
  'ExtendedHeader',
  'GlobalExtendedHeader',
  'NextFileHasLongPath',
  'NextFileHasLongLinkpath',
]);

/** The files and links of an archive by name. Nothing of them ever becomes a path of the host. */
class MemberTable {
  readonly members = new Map<string, TarMember>();
  readonly links = new Map<string, string>();
  readonly #label: string;

  constructor(label: string) {
    this.#label = label;
  }

  add({ header, path, linkpath }: ExtendedHeader & { header: Header }, place: TarMember): void {
    const name = this.#inside(path ?? header.path ?? '', []);
    const target = linkpath ?? header.linkpath ?? '';
    if (header.type === 'File' || header.type === 'OldFile' || header.type === 'ContiguousFile') {
      this.#refuseTwice(name);
      this.members.set(name, place);
    } else if (header.type === 'SymbolicLink') {
      this.#refuseTwice(name);
      // Old docker archives hold a layer that two images share once, and a link to "../<id>/layer.tar".
      if (target.startsWith('/')) throw this.#leadsOut(target);
      this.links.set(name, this.#inside(target, name.split('/').slice(0, -1)));
    } else if (header.type === 'Link') {
      this.#refuseTwice(name);
      this.links.set(name, this.#inside(target, []));
    }
  }

  /** Which of two members counts is decided differently by every reader. */
  #refuseTwice(name: string): void {
    if (!this.members.has(name) && !this.links.has(name)) return;
    throw notAnArchive(this.#label, `holds the member ${quote(name)} twice`);
  }

  /** `path`, seen from the directory `parents`, as a plain name. */
  #inside(path: string, parents: readonly string[]): string {
    const parts = [...parents];
    for (const part of path.split('/')) {
      if (part === '..') {
        if (parts.pop() === undefined) throw this.#leadsOut(path);
      } else if (part !== '.' && part !== '') {
        parts.push(part);
      }
    }
    return parts.join('/');
  }

  #leadsOut(path: string): EngineError {
    return notAnArchive(this.#label, `holds ${quote(path)}, which leads out of it`);
  }
}

function decodeHeader(block: Buffer, label: string, at: number): Header | undefined {
  if (at === 0 && block[0] === 0x1f && block[1] === 0x8b) {
    throw notAnArchive(
      label,
      'is compressed with gzip',
      'Run "dray image load -i FILE", which reads that.',
    );
  }
  const header = parseHeader(block);
  if (header?.nullBlock === true) return undefined;
  if (header?.cksumValid === true) return header;
  throw notAnArchive(label, `has no valid tar header at byte ${at}`);
}

/** Undefined where node-tar refuses a number. */
function parseHeader(block: Buffer): Header | undefined {
  try {
    return new Header(block, 0);
  } catch {
    return undefined;
  }
}

function readExtended(fd: number, member: TarMember, type: string): ExtendedHeader {
  if (member.sizeBytes > LONGEST_META_BYTES || type === 'GlobalExtendedHeader') return {};
  const bytes = Buffer.alloc(member.sizeBytes);
  readSync(fd, bytes, 0, bytes.length, member.offset);
  const text = bytes.toString('utf8');
  if (type === 'NextFileHasLongPath') return { path: text.replace(/\0.*$/s, '') };
  if (type === 'NextFileHasLongLinkpath') return { linkpath: text.replace(/\0.*$/s, '') };
  const { path, linkpath, size } = Pax.parse(text);
  return {
    ...(path === undefined ? {} : { path }),
    ...(linkpath === undefined ? {} : { linkpath }),
    ...(size === undefined || !Number.isSafeInteger(size) ? {} : { size }),
  };
}

function notAnArchive(label: string, why: string, hint?: string): EngineError {
  return new EngineError(
    'IMAGE_INVALID',
    `${quote(label)} is not a readable image archive: it ${why}`,
    hint === undefined ? {} : { hint },
  );
}
