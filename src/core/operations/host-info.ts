/** `info`: what dray found on this machine, and what it will do because of it. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../errors.ts';
import {
  type CgroupVersion,
  cgroupVersion,
  filesystemType,
  kernelRelease,
  type ProbeResult,
  probeErofsFile,
  probeErofsLoop,
  probeOverlay,
} from '../host/kernel-features.ts';
import { type BackendName, chooseBackend } from '../rootfs/backend.ts';
import { findRunc, runcVersion } from '../runtime/runc-program.ts';
import { listNames } from '../store/blob-store.ts';
import { blobsDir, ingestDir, layersDir, rootfsDir } from '../store/store-paths.ts';
import type { Engine } from './engine.ts';

/** A thing the kernel can do here, or why not. */
export interface Feature {
  readonly works: boolean;
  readonly reason?: string;
}

/** The runtime that containers are handed to. */
export interface RuntimeInfo {
  readonly path: string;
  readonly version: string;
  /** Vulnerabilities that this version is known to have, as CVE numbers with a word on each. */
  readonly knownHoles: readonly string[];
}

/** Everything that `dray info` shows. Sizes are bytes on disk. */
export interface HostInfo {
  readonly version: string;
  readonly store: {
    readonly path: string;
    readonly filesystem: string;
    readonly images: number;
    readonly blobsBytes: number;
    readonly layersBytes: number;
    readonly rootfsBytes: number;
    readonly unfinishedBytes: number;
  };
  readonly kernel: {
    readonly release: string;
    readonly erofsFile: Feature;
    readonly erofsLoop: Feature;
    readonly overlay: Feature;
    readonly cgroups: CgroupVersion;
  };
  /** Undefined when containers cannot run from this store; `reason` then says why. */
  readonly backend: { readonly name: BackendName | undefined; readonly reason: string };
  readonly runtime: RuntimeInfo | undefined;
}

/** Looks around; changes nothing, and leaves nothing behind. */
export async function hostInfo(engine: Engine): Promise<HostInfo> {
  const { dataDir, version } = engine.settings;
  return {
    version,
    store: {
      path: dataDir,
      filesystem: filesystemType(dataDir),
      images: engine.store.readReferences().length,
      blobsBytes: diskBytes(blobsDir(dataDir)),
      layersBytes: diskBytes(layersDir(dataDir)),
      rootfsBytes: diskBytes(rootfsDir(dataDir)),
      unfinishedBytes: diskBytes(ingestDir(dataDir)),
    },
    kernel: {
      release: kernelRelease(),
      erofsFile: feature(probeErofsFile(dataDir)),
      erofsLoop: feature(probeErofsLoop(dataDir)),
      overlay: feature(probeOverlay(dataDir)),
      cgroups: cgroupVersion(),
    },
    backend: chosenBackend(engine),
    runtime: await runtimeInfo(engine.settings.runcPath),
  };
}

function feature(result: ProbeResult): Feature {
  return result.ok ? { works: true } : { works: false, reason: result.reason };
}

function chosenBackend({ settings }: Engine): HostInfo['backend'] {
  try {
    return chooseBackend(settings.dataDir, settings.rootfsBackend);
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'ROOTFS_UNAVAILABLE') throw error;
    return { name: undefined, reason: error.message };
  }
}

async function runtimeInfo(configured: string | undefined): Promise<RuntimeInfo | undefined> {
  try {
    const path = findRunc(configured);
    return { path, ...(await runcVersion(path)) };
  } catch (error) {
    if (error instanceof EngineError && error.code === 'RUNTIME_NOT_FOUND') return undefined;
    throw error;
  }
}

/** What the files below a directory take on disk: holes are not counted. */
function diskBytes(path: string): number {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return 0;
  const own = found.blocks * 512;
  if (!found.isDirectory()) return own;
  return listNames(path).reduce((sum, name) => sum + diskBytes(join(path, name)), own);
}
