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

/** An open archive. Whoever opens it disposes it. */
export interface TarMembers extends Disposable {
  readonly fd: number;
  /** Members by name, without a leading `./`. Symbolic links are followed once, within the archive. */
  find(name: string): TarMember | undefined;
}

const BLOCK = 512;
const LONGEST_META_BYTES = 1024 * 1024;

/**
 * Opens an archive and reads its table of members.
 *
 * @throws EngineError `IMAGE_INVALID` when it is no file, compressed, or not a tar file;
 *   `IMAGE_NOT_FOUND` when it is missing.
 */
export function openTarMembers(path: string): TarMembers {
  const fd = openArchive(path);
  try {
    const { members, links } = readMembers(fd, path);
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

function readMembers(fd: number, path: string) {
  const members = new Map<string, TarMember>();
  const links = new Map<string, string>();
  const total = fstatSync(fd).size;
  const block = Buffer.alloc(BLOCK);
  let longName: string | undefined;
  for (let at = 0; at + BLOCK <= total; ) {
    readSync(fd, block, 0, BLOCK, at);
    const header = decodeHeader(block, path, at);
    if (header === undefined) break;
    const sizeBytes = header.size ?? 0;
    const offset = at + BLOCK;
    if (sizeBytes < 0 || offset + sizeBytes > total) {
      throw notAnArchive(path, `is cut short inside its member ${quote(header.path ?? '')}`);
    }
    if (header.type === 'ExtendedHeader' || header.type === 'NextFileHasLongPath') {
      longName = readLongName(fd, { offset, sizeBytes }, header.type) ?? longName;
    } else {
      const name = normalise(longName ?? header.path ?? '');
      longName = undefined;
      if (header.type === 'File' || header.type === 'OldFile')
        members.set(name, { offset, sizeBytes });
      if (header.type === 'SymbolicLink') links.set(name, resolveLink(name, header.linkpath ?? ''));
      if (header.type === 'Link') links.set(name, normalise(header.linkpath ?? ''));
    }
    at = offset + Math.ceil(sizeBytes / BLOCK) * BLOCK;
  }
  if (members.size === 0) throw notAnArchive(path, 'holds no files');
  return { members, links };
}

function decodeHeader(block: Buffer, path: string, at: number): Header | undefined {
  if (at === 0 && block[0] === 0x1f && block[1] === 0x8b) {
    throw notAnArchive(path, 'is compressed with gzip', `Run "gunzip" on it first.`);
  }
  const header = new Header(block, 0);
  if (header.nullBlock) return undefined;
  if (!header.cksumValid) {
    throw notAnArchive(path, `has no valid tar header at byte ${at}`);
  }
  return header;
}

function readLongName(fd: number, member: TarMember, type: string): string | undefined {
  if (member.sizeBytes > LONGEST_META_BYTES) return undefined;
  const bytes = Buffer.alloc(member.sizeBytes);
  readSync(fd, bytes, 0, bytes.length, member.offset);
  const text = bytes.toString('utf8');
  if (type === 'NextFileHasLongPath') return text.replace(/\0.*$/s, '');
  return Pax.parse(text).path;
}

function normalise(name: string): string {
  return name.replace(/^(?:\.?\/)+/, '').replace(/\/+$/, '');
}

/** Old docker archives store a layer that two images share once, as a link such as `../<id>/layer.tar`. */
function resolveLink(name: string, target: string): string {
  const parts = name.split('/').slice(0, -1);
  for (const part of target.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.' && part !== '') parts.push(part);
  }
  return parts.join('/');
}

function notAnArchive(path: string, why: string, hint?: string): EngineError {
  return new EngineError(
    'IMAGE_INVALID',
    `${quote(path)} is not a readable image archive: it ${why}`,
    hint === undefined ? {} : { hint },
  );
}
