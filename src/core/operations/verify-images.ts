/**
 * `image verify`: read everything that an image is made of again, and make damaged derived files
 * anew from the blobs. Nothing here uses the network.
 */

import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { EngineError, hasErrno } from '../errors.ts';
import { isErrno } from '../host/libc.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { chainIdOf, type DiffId } from '../oci/digest.ts';
import { DigestVerifier } from '../oci/digest-verifier.ts';
import { type ImageLayer, pairLayers, parseImageConfig } from '../oci/image-config.ts';
import { parseManifestDocument } from '../oci/image-manifest.ts';
import { MAX_DOCUMENT_BYTES } from '../oci/json-document.ts';
import type { LayerIndex } from '../oci/layer-index.ts';
import type { OperationOptions } from '../progress.ts';
import { hasBlob, readSmallBlob } from '../store/blob-store.ts';
import type { DamagedEntry, ImageRecord } from '../store/image-store.ts';
import { writeSummary } from '../store/image-summary.ts';
import { Lease } from '../store/lease.ts';
import { findDamagedEntry, resolveImage } from '../store/resolve.ts';
import { putRootfsImage } from '../store/rootfs-store.ts';
import { rootfsImagePath } from '../store/store-paths.ts';
import { assembleRootfs, type StoredImage, summariseAssembled } from './assemble-image.ts';
import type { Engine } from './engine.ts';
import { findSummary } from './image-state.ts';
import {
  type ImageProblem,
  type NoteProblem,
  noteDamagedBlob,
  type RepairRun,
} from './verify-blob.ts';
import { verifyLayer } from './verify-layer.ts';

/** What was found out about one image. */
export interface ImageVerification {
  /** Undefined when the entry of the image is too damaged to tell. */
  readonly imageId: ImageRecord['imageId'] | undefined;
  readonly reference: string | undefined;
  /** Empty when everything was right. */
  readonly problems: readonly ImageProblem[];
}

/**
 * Verifies images, all of them when `inputs` is empty. A damaged blob cannot be made again here: it
 * is removed, so that the next fetch transfers it, and stays a problem. On a read-only file system
 * nothing is changed, and what could have been made right stays a problem, too.
 *
 * @throws EngineError `IMAGE_NOT_FOUND`, `IMAGE_AMBIGUOUS`; damage is in the result, not thrown
 */
export async function verifyImages(
  engine: Engine,
  inputs: readonly string[],
  options: OperationOptions = {},
): Promise<ImageVerification[]> {
  const damaged: DamagedEntry[] = [];
  const records = engine.store.readReferences((entry) => damaged.push(entry));
  const named = inputs.flatMap((input) => findDamagedEntry(damaged, input) ?? []);
  const wanted =
    inputs.length === 0
      ? records
      : inputs
          .filter((input) => findDamagedEntry(damaged, input) === undefined)
          .flatMap((input) => resolveImage(records, input));
  const results = (inputs.length === 0 ? damaged : [...new Set(named)]).map(
    ({ reference, problem }): ImageVerification => ({
      imageId: undefined,
      reference,
      problems: [{ what: problem, isRepaired: false }],
    }),
  );
  for (const record of new Set(wanted)) {
    options.signal?.throwIfAborted();
    const problems = await verifyImage(engine, record, options);
    results.push({ imageId: record.imageId, reference: record.reference, problems });
  }
  return results;
}

async function verifyImage(
  engine: Engine,
  record: ImageRecord,
  options: OperationOptions,
): Promise<ImageProblem[]> {
  const { dataDir } = engine.settings;
  const problems: ImageProblem[] = [];
  using lease = openLease(dataDir);
  const canRepair = lease !== undefined;
  const note: NoteProblem = (what, isRepairable) => {
    const hindrance = isRepairable && !canRepair ? { isReadOnly: true as const } : {};
    problems.push({ what, isRepaired: isRepairable && canRepair, ...hindrance });
  };
  const run = { note, canRepair };
  const stored = verifyDocuments(dataDir, record, run);
  if (stored === undefined) return problems;
  await lease?.hold(rootsOf(record, stored));
  const indexes = new Map<DiffId, LayerIndex>();
  for (const [position, layer] of stored.layers.entries()) {
    const label = `layer ${position + 1}/${stored.layers.length} ${layer.descriptor.digest}`;
    const index = await verifyLayer(dataDir, { ...layer, label }, { ...run, options });
    if (index !== undefined) indexes.set(layer.diffId, index);
  }
  if (stored.layers.every(({ diffId }) => indexes.has(diffId))) {
    verifyDerived(dataDir, { record, stored, indexes, ...run });
  }
  return problems;
}

/** Undefined on a read-only file system: there nothing is collected either. */
function openLease(dataDir: string): Lease | undefined {
  try {
    return Lease.open(dataDir);
  } catch (error) {
    if (error instanceof EngineError && isErrno(error.cause, 'EROFS')) return undefined;
    throw error;
  }
}

function rootsOf(record: ImageRecord, { layers }: { layers: readonly ImageLayer[] }) {
  const diffIds = layers.map(({ diffId }) => diffId);
  const digests = layers.map(({ descriptor }) => descriptor.digest);
  return [record.manifest.digest, record.imageId, ...digests, ...diffIds, chainIdOf(diffIds)];
}

type VerifiedDocuments = StoredImage & { readonly layers: readonly ImageLayer[] };

/** Manifest and config; undefined when one of them is damaged, which is noted. */
function verifyDocuments(
  dataDir: string,
  record: ImageRecord,
  run: RepairRun,
): VerifiedDocuments | undefined {
  const manifestBytes = verifyDocument(dataDir, record.manifest, run);
  if (manifestBytes === undefined) return undefined;
  const where = `manifest ${record.manifest.digest}`;
  const document = parseManifestDocument(manifestBytes, record.manifest.mediaType, where);
  if (document.kind !== 'manifest') {
    run.note(`${where} is an index where the manifest of one image was expected`, false);
    return undefined;
  }
  const { manifest } = document;
  const configBytes = verifyDocument(dataDir, manifest.config, run);
  if (configBytes === undefined) return undefined;
  const config = parseImageConfig(configBytes, `config ${manifest.config.digest}`);
  const layers = pairLayers(manifest, config, where);
  return {
    imageId: manifest.config.digest,
    manifestDescriptor: record.manifest,
    manifest,
    config,
    layers,
  };
}

function verifyDocument(
  dataDir: string,
  descriptor: Descriptor,
  run: RepairRun,
): Buffer | undefined {
  if (!hasBlob(dataDir, descriptor.digest)) {
    run.note(`blob ${descriptor.digest} is missing`, false);
    return undefined;
  }
  try {
    const bytes = readSmallBlob(dataDir, descriptor.digest, MAX_DOCUMENT_BYTES);
    const verifier = new DigestVerifier(descriptor, `blob ${descriptor.digest}`);
    verifier.update(bytes);
    verifier.end();
    return bytes;
  } catch (error) {
    noteDamagedBlob(dataDir, { descriptor, error, ...run });
    return undefined;
  }
}

interface DerivedFiles extends RepairRun {
  readonly record: ImageRecord;
  readonly stored: VerifiedDocuments;
  readonly indexes: ReadonlyMap<DiffId, LayerIndex>;
}

/** The metadata image and the summary: both are deterministic, so they are made and compared. */
function verifyDerived(
  dataDir: string,
  { record, stored, indexes, note, canRepair }: DerivedFiles,
): void {
  const diffIds = stored.layers.map(({ diffId }) => diffId);
  const rootfs = assembleRootfs(
    diffIds,
    diffIds.flatMap((diffId) => indexes.get(diffId) ?? []),
  );
  const path = rootfsImagePath(dataDir, rootfs.chainId);
  const found = readIfThere(path);
  if (found === undefined || !found.equals(rootfs.image)) {
    if (canRepair) putRootfsImage(dataDir, rootfs.chainId, rootfs.image);
    note(`root file system ${rootfs.chainId} was ${describe(found)}`, true);
  }
  const before = findSummary(dataDir, record);
  // Two manifests with one config are one image, and its summary is of one of them.
  const isOfAnother = before !== undefined && before.manifest.digest !== record.manifest.digest;
  const after = summariseAssembled(stored, rootfs);
  if (isOfAnother || isDeepStrictEqual(before, after)) return;
  if (canRepair) writeSummary(dataDir, after);
  note(`summary of image ${stored.imageId} was ${describe(before)}`, true);
}

function describe(found: unknown): string {
  return found === undefined ? 'missing or unreadable' : 'damaged';
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
