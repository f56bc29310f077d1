/** `image inspect --remote` and `image tags`: what a registry has, without the store. */
import { EngineError, quote } from '../errors.ts';
import type { Digest, ImageId } from '../oci/digest.ts';
import { parseImageSource } from '../oci/image-source.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import { isShortName, parseReference, type Reference } from '../oci/reference.ts';
import type { OnProgress, OperationOptions } from '../progress.ts';
import { pullEndpoints } from '../registry/pull-endpoints.ts';
import type { EngineSettings } from './engine.ts';
import { type ImageTransport, type ManifestBytes, openTransport } from './image-transport.ts';
import { connectRegistry, registriesConfOf } from './registry-connection.ts';
import { resolveManifest } from './resolve-manifest.ts';
import { candidatesOf, fetchFirst } from './search-registries.ts';

/** Options of `inspectRemoteImage`. */
export interface RemoteOptions extends OperationOptions {
  /** Which image of an index; default the host's. */
  readonly platform?: Platform;
}

/** An image that was not fetched. Documents are as their source has them, parsed. */
export interface RemoteInspection {
  readonly imageId: ImageId;
  /** Canonical; undefined for a file without one. */
  readonly reference: string | undefined;
  /** What the reference points to: the index if there is one, else the manifest. */
  readonly digest: Digest;
  readonly manifestDigest: Digest;
  readonly mediaType: string;
  /** `os/architecture[/variant]`. */
  readonly platform: string;
  /** Config and compressed layers, each as often as the manifest lists it, and the manifest. */
  readonly sizeBytes: number;
  readonly index: unknown;
  readonly manifest: unknown;
  readonly config: unknown;
}

/**
 * Reads manifest and config of an image, and the index if the reference points to one. Everything is
 * verified; nothing is kept. `input` is what `fetch` takes.
 *
 * @throws EngineError as `fetchImage`, but for those of the store and of signatures
 */
export async function inspectRemoteImage(
  settings: EngineSettings,
  input: string,
  options: RemoteOptions = {},
): Promise<RemoteInspection> {
  const source = parseImageSource(input);
  if (source.kind !== 'registry') {
    await using transport = await openTransport(source, settings, options);
    return await inspect(transport, options);
  }
  return fromRegistry(input, settings, options, async (reference, onProgress) => {
    const silent = { ...options, onProgress };
    const named = { kind: 'registry', reference } as const;
    await using transport = await openTransport(named, settings, silent);
    return await inspect(transport, silent);
  });
}

async function inspect(
  transport: ImageTransport,
  { platform, onProgress = () => {} }: RemoteOptions,
): Promise<RemoteInspection> {
  let top: ManifestBytes | undefined;
  let configBytes: Buffer = Buffer.alloc(0);
  const watched = {
    source: transport.source,
    manifest: transport.manifest,
    top: async () => {
      top = await transport.top();
      return top;
    },
    smallBlob: async (...request: Parameters<ImageTransport['smallBlob']>) => {
      configBytes = await transport.smallBlob(...request);
      return configBytes;
    },
  };
  const asked = platform === undefined ? {} : { platform };
  const image = await resolveManifest(watched, { ...asked, onProgress });
  const { manifestDescriptor, manifest, config } = image;
  const isIndexed = image.resolvedDigest !== manifestDescriptor.digest;
  const parts = [manifestDescriptor, manifest.config, ...manifest.layers];
  return {
    imageId: manifest.config.digest,
    reference: transport.reference,
    digest: image.resolvedDigest,
    manifestDigest: manifestDescriptor.digest,
    mediaType: manifestDescriptor.mediaType,
    platform: formatPlatform(config),
    sizeBytes: parts.reduce((sum, { size }) => sum + size, 0),
    index: isIndexed && top !== undefined ? parseJson(top.bytes) : undefined,
    manifest: parseJson(image.manifestBytes),
    config: parseJson(configBytes),
  };
}

/** Only of bytes that were parsed before. */
function parseJson(bytes: Buffer): unknown {
  return JSON.parse(bytes.toString('utf8'));
}

/** The tags of one repository. */
export interface RemoteTags {
  /** `REGISTRY/REPOSITORY`. */
  readonly repository: string;
  /** Sorted. */
  readonly tags: readonly string[];
}

/**
 * Lists the tags of a repository at its registry; mirrors are not asked.
 *
 * @param input a reference without tag and digest.
 * @throws EngineError `REFERENCE_INVALID`, `REGISTRY_BLOCKED`, `CONFIG_INVALID`, those of
 * `RegistryClient.listTags`
 */
export async function listRemoteTags(
  settings: EngineSettings,
  input: string,
  options: OperationOptions = {},
): Promise<RemoteTags> {
  requireRepository(input);
  const request = options.signal === undefined ? {} : { signal: options.signal };
  return fromRegistry(input, settings, options, async (reference, onProgress) => {
    const endpoints = pullEndpoints(reference, await registriesConfOf(settings));
    const { registry, repository, isInsecure } = endpoints.at(-1) ?? endpoints[0];
    await using client = connectRegistry(registry, settings, { isInsecure, onProgress });
    const tags = await client.listTags(repository, request);
    return { repository: `${reference.registry}/${reference.repository}`, tags };
  });
}

function requireRepository(input: string): void {
  const last = input.slice(input.lastIndexOf('/') + 1);
  if (!/[:@]/.test(last)) return;
  throw new EngineError(
    'REFERENCE_INVALID',
    `${quote(input)} names one image; expected a repository`,
    {
      hint: 'Leave the tag and the digest out.',
    },
  );
}

/** Asks the registry of `input`, or those that a name without a registry may mean. */
async function fromRegistry<T>(
  input: string,
  settings: EngineSettings,
  options: OperationOptions,
  ask: (reference: Reference, onProgress: OnProgress) => Promise<T>,
): Promise<T> {
  const onProgress = options.onProgress ?? (() => {});
  if (!isShortName(input)) return ask(parseReference(input), onProgress);
  return fetchFirst(await candidatesOf(input, settings), options, ask);
}
