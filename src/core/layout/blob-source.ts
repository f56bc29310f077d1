/**
 * Where the blobs of a foreign image layout are: a directory or an archive. Nothing read here is
 * trusted; whoever reads checks digest and size.
 */
import { closeSync, createReadStream, fstatSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, hasErrno, quote } from '../errors.ts';
import { readRange } from '../host/read-range.ts';
import { openRegularFile } from './regular-file.ts';
import { type OpenArchive, openTarMembers, type TarMembers, tarMembersOf } from './tar-members.ts';

const READ_BYTES = 1024 * 1024;

/** Files by their name inside a layout. */
export interface BlobSource extends Disposable {
  /** How errors name it. */
  readonly label: string;
  /** The whole file, undefined when there is none. @throws `IMAGE_INVALID` over `maxBytes`, or no file. */
  readSmall(name: string, maxBytes: number): Buffer | undefined;
  /** The bytes of a file from `offset`. @throws `IMAGE_INVALID` when there is none. */
  open(name: string, offset: number): AsyncIterable<Buffer>;
  /** Bytes of the file, undefined when there is none. @throws `IMAGE_INVALID` for no file. */
  sizeOf(name: string): number | undefined;
}

/** The files below a directory. @throws EngineError `IMAGE_NOT_FOUND` when it is missing. */
export function directorySource(directory: string): BlobSource {
  const openFile = (name: string): number | undefined => {
    try {
      return openRegularFile(join(directory, name));
    } catch (error) {
      if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR')) return undefined;
      throw error;
    }
  };
  const source: BlobSource = {
    label: directory,
    readSmall: (name, maxBytes) => {
      const fd = openFile(name);
      if (fd === undefined) return undefined;
      try {
        return readAt(fd, { offset: 0, sizeBytes: fstatSync(fd).size, maxBytes, name });
      } finally {
        closeSync(fd);
      }
    },
    sizeOf: (name) => {
      const fd = openFile(name);
      if (fd === undefined) return undefined;
      try {
        return fstatSync(fd).size;
      } finally {
        closeSync(fd);
      }
    },
    open: (name, offset) => {
      const fd = openFile(name);
      if (fd === undefined) throw missing(directory, name);
      return createReadStream('', {
        fd,
        start: offset,
        highWaterMark: READ_BYTES,
        autoClose: true,
      });
    },
    [Symbol.dispose]: () => {},
  };
  return source;
}

/** The members of a tar file. @throws EngineError `IMAGE_NOT_FOUND`, `IMAGE_INVALID` */
export function archiveSource(path: string): BlobSource {
  return memberSource(openTarMembers(path), path);
}

/** The members of a tar file that is open; disposing closes it. @throws EngineError `IMAGE_INVALID` */
export function openArchiveSource(archive: OpenArchive): BlobSource {
  return memberSource(tarMembersOf(archive), archive.label);
}

function memberSource(members: TarMembers, label: string): BlobSource {
  return {
    label,
    readSmall: (name, maxBytes) => {
      const member = members.find(name);
      if (member === undefined) return undefined;
      return readAt(members.fd, { ...member, maxBytes, name });
    },
    sizeOf: (name) => members.find(name)?.sizeBytes,
    open: (name, offset) => {
      const member = members.find(name);
      if (member === undefined) throw missing(label, name);
      return readRange(members.fd, member.offset + offset, member.offset + member.sizeBytes);
    },
    [Symbol.dispose]: () => members[Symbol.dispose](),
  };
}

interface ReadRequest {
  readonly offset: number;
  readonly sizeBytes: number;
  readonly maxBytes: number;
  readonly name: string;
}

function readAt(fd: number, { offset, sizeBytes, maxBytes, name }: ReadRequest): Buffer {
  if (sizeBytes > maxBytes) {
    throw new EngineError(
      'IMAGE_INVALID',
      `${quote(name)} has ${sizeBytes} bytes, and no more than ${maxBytes} are accepted`,
    );
  }
  const bytes = Buffer.alloc(sizeBytes);
  let filled = 0;
  while (filled < sizeBytes) {
    const count = readSync(fd, bytes, filled, sizeBytes - filled, offset + filled);
    if (count === 0) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}

function missing(label: string, name: string): EngineError {
  return new EngineError('IMAGE_INVALID', `${quote(label)} has no file ${quote(name)}`);
}
