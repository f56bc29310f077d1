/** What `info` prints. */
import { escapeControls } from '../core/errors.ts';
import type { HostInfo } from '../core/operations/host-info.ts';
import { formatSize } from './humanize.ts';

type Feature = HostInfo['kernel']['overlay'];

/** `info --json`. Sizes are bytes on disk. */
export interface HostJson {
  readonly version: string;
  readonly store: {
    readonly path: string;
    readonly filesystem: string;
    readonly images: number;
    readonly blobs_size: number;
    readonly layers_size: number;
    readonly rootfs_size: number;
    readonly unfinished_size: number;
  };
  readonly kernel: {
    readonly release: string;
    readonly erofs_file: FeatureJson;
    readonly erofs_loop: FeatureJson;
    readonly overlay: FeatureJson;
    readonly cgroups: string;
  };
  readonly rootfs_backend: { readonly name: string | null; readonly reason: string };
  readonly runtime: {
    readonly path: string;
    readonly version: string;
    readonly known_holes: readonly string[];
  } | null;
}

interface FeatureJson {
  readonly works: boolean;
  readonly reason: string | null;
}

const HOLES_NOTE = [
  'known holes go by the version number; a distribution may have closed some without changing it',
  "(Debian's 1.1.5+ds1 has CVE-2024-21626 fixed).",
].join(' ');

/** `NAME: value` lines for people. */
export function hostLines(info: HostInfo): string[] {
  const { store, kernel, backend, runtime } = info;
  const images = `${store.images} image${store.images === 1 ? '' : 's'}`;
  const holes = runtime?.knownHoles ?? [];
  const lines: readonly (readonly [string, string])[] = [
    ['Version', info.version],
    ['Store', `${store.path} (${store.filesystem}), ${images}`],
    ['  Blobs', formatSize(store.blobsBytes)],
    ['  Layers', formatSize(store.layersBytes)],
    ['  Root file systems', formatSize(store.rootfsBytes)],
    ['  Unfinished transfers', formatSize(store.unfinishedBytes)],
    ['Kernel', kernel.release],
    ['  EROFS from files', featureText(kernel.erofsFile)],
    ['  EROFS over loop devices', featureText(kernel.erofsLoop)],
    ['  Overlay', featureText(kernel.overlay)],
    ['  Control groups', kernel.cgroups],
    ['Root file systems by', `${backend.name ?? 'nothing'}: ${backend.reason}`],
    ['Runtime', runtime === undefined ? 'none found' : `${runtime.path}, ${runtime.version}`],
    ...holes.map((hole) => ['  Known hole', hole] as const),
    ...(holes.length === 0 ? [] : [['  Note', HOLES_NOTE] as const]),
  ];
  return lines.map(([name, value]) => `${name}: ${escapeControls(value)}`);
}

/** The JSON form. */
export function hostJson({ version, store, kernel, backend, runtime }: HostInfo): HostJson {
  return {
    version,
    store: {
      path: store.path,
      filesystem: store.filesystem,
      images: store.images,
      blobs_size: store.blobsBytes,
      layers_size: store.layersBytes,
      rootfs_size: store.rootfsBytes,
      unfinished_size: store.unfinishedBytes,
    },
    kernel: {
      release: kernel.release,
      erofs_file: featureJson(kernel.erofsFile),
      erofs_loop: featureJson(kernel.erofsLoop),
      overlay: featureJson(kernel.overlay),
      cgroups: kernel.cgroups,
    },
    rootfs_backend: { name: backend.name ?? null, reason: backend.reason },
    runtime:
      runtime === undefined
        ? null
        : { path: runtime.path, version: runtime.version, known_holes: runtime.knownHoles },
  };
}

function featureText({ works, reason }: Feature): string {
  return works ? 'yes' : `no: ${reason}`;
}

function featureJson({ works, reason }: Feature): FeatureJson {
  return { works, reason: reason ?? null };
}
