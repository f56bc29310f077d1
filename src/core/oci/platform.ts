/** Platforms (image-spec `image-index.md`, property `platform`). */
import { EngineError, quote } from '../errors.ts';

/** An operating system and processor, with the variant where the architecture has several. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
}

/** What an index says of each of its manifests; a `Descriptor` is one. */
interface Offer {
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Names that other tools give to the architectures of image-spec, with the variant they imply. */
const ALIASES: ReadonlyMap<string, readonly [architecture: string, variant?: string]> = new Map([
  ['x86_64', ['amd64']],
  ['x86-64', ['amd64']],
  ['aarch64', ['arm64']],
  ['armhf', ['arm', 'v7']],
  ['armel', ['arm', 'v6']],
  ['i386', ['386']],
]);

/** The variant that an image means when it names none. */
const DEFAULT_VARIANT: ReadonlyMap<string, string> = new Map([
  ['amd64', 'v1'],
  ['arm64', 'v8'],
  ['arm', 'v7'],
]);

/** The lowest variant that a processor of a higher one still runs. */
const LOWEST_VARIANT: ReadonlyMap<string, number> = new Map([
  ['amd64', 1],
  ['arm64', 8],
  ['arm', 5],
]);

const ARCHITECTURE_OF_NODE: ReadonlyMap<string, string> = new Map([
  ['x64', 'amd64'],
  ['ia32', '386'],
  ['ppc64', 'ppc64le'],
]);

/**
 * Parses `os/architecture[/variant]`, such as `linux/arm64/v8`. A lone architecture means Linux.
 *
 * @throws EngineError `USAGE_INVALID`
 */
export function parsePlatform(input: string): Platform {
  const parts = input.toLowerCase().split('/');
  const [os, architecture, variant] = parts.length === 1 ? ['linux', parts[0]] : parts;
  const isClean = parts.length <= 3 && parts.every((part) => /^[a-z0-9_.-]{1,64}$/.test(part));
  if (!isClean || os === undefined || architecture === undefined) {
    throw new EngineError(
      'USAGE_INVALID',
      `platform ${quote(input)} is not of the form "os/architecture" or "os/architecture/variant"`,
      { hint: 'Give a platform such as "linux/arm64".' },
    );
  }
  return normalize({ os, architecture, ...(variant === undefined ? {} : { variant }) });
}

/** The platform of the machine that this process runs on. */
export function hostPlatform(): Platform {
  return { os: 'linux', architecture: ARCHITECTURE_OF_NODE.get(process.arch) ?? process.arch };
}

/** `os/architecture[/variant]`. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/** Whether an image made for `offered` runs on a machine that is `wanted`. */
export function runsOn(offered: Platform, wanted: Platform): boolean {
  return rank(normalize(offered), normalize(wanted)) !== undefined;
}

/**
 * Chooses the manifest for a platform out of an index: the highest variant that `wanted` runs, and
 * of equal ones the first. Attestations are skipped. `os.version` says nothing on Linux and is
 * ignored. Where no descriptor has a platform, the first one is taken: the config then decides.
 *
 * @throws EngineError `PLATFORM_NOT_FOUND` naming what is offered.
 */
export function selectByPlatform<T extends Offer>(
  descriptors: readonly T[],
  wanted: Platform,
  where = 'image',
): T {
  const images = descriptors.filter((descriptor) => !isAttestation(descriptor));
  const target = normalize(wanted);
  let best: T | undefined;
  let bestRank = Number.POSITIVE_INFINITY;
  for (const descriptor of images) {
    const { platform } = descriptor;
    const found = platform === undefined ? undefined : rank(normalize(platform), target);
    if (found === undefined || found >= bestRank) continue;
    best = descriptor;
    bestRank = found;
  }
  if (best === undefined && images.every(({ platform }) => platform === undefined))
    best = images[0];
  if (best === undefined) throw notOffered(images, target, where);
  return best;
}

/** How far `offered` is from `wanted`: 0 is the same, undefined means that it does not run. */
function rank(offered: Platform, wanted: Platform): number | undefined {
  if (offered.os !== wanted.os || offered.architecture !== wanted.architecture) return undefined;
  const fallback = DEFAULT_VARIANT.get(wanted.architecture);
  const have = offered.variant ?? fallback;
  const want = wanted.variant ?? fallback;
  if (have === want) return 0;
  const haveLevel = variantLevel(have);
  const wantLevel = variantLevel(want);
  if (haveLevel === undefined || wantLevel === undefined || haveLevel > wantLevel) return undefined;
  const lowest = LOWEST_VARIANT.get(wanted.architecture);
  return lowest === undefined || haveLevel < lowest ? undefined : wantLevel - haveLevel;
}

function variantLevel(variant: string | undefined): number | undefined {
  const digits = variant === undefined ? undefined : /^v([0-9]{1,2})$/.exec(variant)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function normalize(platform: Platform): Platform {
  const named = platform.architecture.toLowerCase();
  const [architecture, implied] = ALIASES.get(named) ?? [named];
  const stated = platform.variant?.toLowerCase() || implied;
  const variant = stated === DEFAULT_VARIANT.get(architecture) ? undefined : stated;
  return {
    os: platform.os.toLowerCase(),
    architecture,
    ...(variant === undefined ? {} : { variant }),
  };
}

/** BuildKit stores provenance and SBOMs as manifests for the platform unknown/unknown. */
function isAttestation(descriptor: Offer): boolean {
  return (
    descriptor.platform?.os === 'unknown' ||
    descriptor.platform?.architecture === 'unknown' ||
    descriptor.annotations?.['vnd.docker.reference.type'] === 'attestation-manifest'
  );
}

const MOST_NAMED = 20;

function notOffered(images: readonly Offer[], wanted: Platform, where: string): EngineError {
  const names = new Set<string>();
  for (const { platform } of images) {
    if (platform !== undefined) names.add(quote(formatPlatform(platform)));
  }
  const listed = [...names].slice(0, MOST_NAMED).join(', ');
  const offered = names.size === 0 ? 'no platform at all' : listed;
  return new EngineError(
    'PLATFORM_NOT_FOUND',
    `${where} is not offered for ${quote(formatPlatform(wanted))}; it is offered for ${offered}`,
    names.size === 0 ? {} : { hint: 'Choose one of these with --platform.' },
  );
}
