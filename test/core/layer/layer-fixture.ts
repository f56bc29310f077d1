/** Runs `ingestLayer` over bytes and keeps everything that came out of it. */
import { closeSync, fstatSync, openSync, readSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { LayerCompression } from '../../../src/core/layer/compression.ts';
import { fileDataSink } from '../../../src/core/layer/data-sink.ts';
import { type IngestOptions, ingestLayer } from '../../../src/core/layer/ingest-layer.ts';
import { type DiffId, digestOf } from '../../../src/core/oci/digest.ts';
import {
  BLOCK_SIZE,
  EntryType,
  type LayerEntry,
  type LayerIndex,
} from '../../../src/core/oci/layer-index.ts';
import { type TarEntrySpec, tarOf } from '../../support/tar-builder.ts';

/** A layer that was read. */
export interface IngestedLayer {
  readonly index: LayerIndex;
  readonly entries: readonly LayerEntry[];
  /** The layer data file. */
  readonly data: Buffer;
  readonly warnings: readonly string[];
  /** The last entry of this name. */
  entry(name: string): LayerEntry;
  /** The contents of the file of this name. */
  content(name: string): Buffer;
}

/** What a test may say about a layer; everything else follows from its bytes. */
export type LayerOptions = Partial<IngestOptions> & {
  /** The uncompressed tar, when it is not simply what `blob` was made from. */
  readonly tar?: Buffer;
};

/** Reads the layer whose blob is these bytes. */
export async function ingestBlob(
  blob: Buffer,
  tar: Buffer,
  options: LayerOptions = {},
): Promise<IngestedLayer> {
  const fd = openTemporary();
  const warnings: string[] = [];
  try {
    const index = await ingestLayer({
      source: chunksOf(blob),
      compression: 'none',
      expected: { digest: digestOf(blob), size: blob.length, diffId: diffIdOf(tar) },
      dataSink: fileDataSink(fd),
      label: 'layer 1/1',
      onWarning: (message) => warnings.push(message),
      ...options,
    });
    return layerOf(index, readAll(fd), warnings);
  } finally {
    closeSync(fd);
  }
}

/** Reads a tar that is given as entries or as bytes. */
export function ingest(
  tar: Buffer | readonly TarEntrySpec[],
  options: LayerOptions & { readonly compressed?: LayerCompression } = {},
): Promise<IngestedLayer> {
  const bytes = Buffer.isBuffer(tar) ? tar : tarOf(tar);
  const { compressed = 'none', ...rest } = options;
  const blob = compress(bytes, compressed);
  return ingestBlob(blob, bytes, { compression: compressed, ...rest });
}

/** `bytes` in this compression. */
export function compress(bytes: Buffer, compression: LayerCompression): Buffer {
  if (compression === 'none') return bytes;
  return compression === 'gzip' ? gzipSync(bytes) : zstdCompressSync(bytes);
}

/** The diffID of a tar. */
export function diffIdOf(tar: Buffer): DiffId {
  return digestOf(tar) as string as DiffId;
}

/** The bytes as a source, in pieces of `size`. */
export async function* chunksOf(bytes: Buffer, size = 65536): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** All entries of an index. */
export function entriesOf(index: LayerIndex): LayerEntry[] {
  return Array.from({ length: index.entryCount }, (_, entry) => index.entry(entry));
}

/** The type's name, for readable assertions. */
export function typeName(type: EntryType): string {
  return Object.entries(EntryType).find(([, value]) => value === type)?.[0] ?? String(type);
}

function layerOf(index: LayerIndex, data: Buffer, warnings: string[]): IngestedLayer {
  const entries = entriesOf(index);
  const entry = (name: string): LayerEntry => {
    const found = entries.findLast((candidate) => candidate.name === name);
    if (found === undefined) throw new Error(`the layer has no entry ${JSON.stringify(name)}`);
    return found;
  };
  const content = (name: string): Buffer => {
    const { block, sizeBytes } = entry(name);
    return data.subarray(block * BLOCK_SIZE, block * BLOCK_SIZE + sizeBytes);
  };
  return { index, entries, data, warnings, entry, content };
}

let temporaries = 0;

/** An empty file open for reading and writing, without a name. The caller closes it. */
export function openTemporary(): number {
  temporaries += 1;
  const path = join(tmpdir(), `dray-layer-${process.pid}-${temporaries}`);
  const fd = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return fd;
}

/** The whole file behind `fd`, from its start, wherever its position is. */
export function readAll(fd: number): Buffer {
  const bytes = Buffer.alloc(fstatSync(fd).size);
  for (let at = 0; at < bytes.length; ) at += readSync(fd, bytes, at, bytes.length - at, at);
  return bytes;
}
