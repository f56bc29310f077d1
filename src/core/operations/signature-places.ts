/** Where the signatures of an image are: beside it in its registry, or in a mirror of that. */
import { EngineError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { Reference } from '../oci/reference.ts';
import type { OperationOptions } from '../progress.ts';
import { pullEndpoints } from '../registry/pull-endpoints.ts';
import type { EngineSettings } from './engine.ts';
import { connectRegistry, registriesConfOf } from './registry-connection.ts';

/** One repository that can hold signatures. */
export interface SignaturePlace {
  /** `registry/repository`. */
  readonly name: string;
  /** The bytes of a manifest, verified against its digest; undefined when there is none. */
  manifest(tagOrDigest: string): Promise<Buffer | undefined>;
  /** Undefined when the registry does not know the referrers API. */
  referrers(digest: Digest, artifactType: string): Promise<readonly Descriptor[] | undefined>;
  /** A small blob, verified. */
  blob(descriptor: Descriptor, maxBytes: number): Promise<Buffer>;
}

/** The places, in the order in which they are asked. Whoever opens them disposes them. */
export interface SignaturePlaces extends AsyncDisposable {
  readonly places: readonly SignaturePlace[];
}

/**
 * Opens the places that images of `reference` are fetched from. None is contacted before it is asked.
 *
 * @throws EngineError `CONFIG_INVALID`, `REGISTRY_BLOCKED`
 */
export async function openSignaturePlaces(
  reference: Reference,
  settings: EngineSettings,
  { signal, onProgress }: OperationOptions,
): Promise<SignaturePlaces> {
  const request = signal === undefined ? {} : { signal };
  const endpoints = pullEndpoints(reference, await registriesConfOf(settings));
  const opened = endpoints.map(({ registry, repository, isInsecure }) => {
    const client = connectRegistry(registry, settings, { isInsecure, onProgress });
    const place: SignaturePlace = {
      name: `${registry}/${repository}`,
      manifest: (tagOrDigest) =>
        unlessMissing(async () => {
          const fetched = await client.fetchManifest(repository, tagOrDigest, request);
          return fetched.bytes;
        }),
      referrers: (digest, artifactType) =>
        client.listReferrers(repository, { digest, artifactType, ...request }),
      blob: (descriptor, maxBytes) =>
        client.fetchSmallBlob(repository, descriptor, maxBytes, request),
    };
    return { place, client };
  });
  return {
    places: opened.map(({ place }) => place),
    [Symbol.asyncDispose]: async () => {
      for (const { client } of opened) await client[Symbol.asyncDispose]();
    },
  };
}

async function unlessMissing<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof EngineError && error.code === 'REGISTRY_NOT_FOUND') return undefined;
    throw error;
  }
}
