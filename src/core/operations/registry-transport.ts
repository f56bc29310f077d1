/**
 * An image in a registry, with its mirrors.
 *
 * Whatever is asked is asked of the first place that has not failed yet; when it fails there, of the
 * next one, and what comes later begins there. Digests make that safe: wherever the bytes of a digest
 * come from, they are verified. Only what a tag points to is the word of the place that answers first.
 */
import { EngineError, quote } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifestDocument } from '../oci/image-manifest.ts';
import { formatReference, type Reference } from '../oci/reference.ts';
import type { OperationOptions } from '../progress.ts';
import { type PullEndpoint, pullEndpoints } from '../registry/pull-endpoints.ts';
import type { RegistryClient } from '../registry/registry-client.ts';
import { createRetryBudget } from '../registry/retry.ts';
import type { EngineSettings } from './engine.ts';
import { type ImageTransport, type ManifestBytes, verifyBytes } from './image-transport.ts';
import { connectRegistry, registriesConfOf } from './registry-connection.ts';

/** A mirror that does not answer must not keep the user from the place that would. */
const MIRROR_ATTEMPTS = 2;

/**
 * Opens the places that registries.conf gives for `reference`. None is contacted before something is
 * asked of it.
 *
 * @throws EngineError `REGISTRY_BLOCKED`, `CONFIG_INVALID`
 */
export async function openRegistryTransport(
  reference: Reference,
  settings: EngineSettings,
  options: OperationOptions,
): Promise<ImageTransport> {
  const endpoints = pullEndpoints(reference, await registriesConfOf(settings));
  const places = new Places(reference, endpoints, { ...options, settings });
  const wanted = reference.digest ?? reference.tag ?? 'latest';
  return {
    source: endpoints.map(({ registry }) => registry).join(', then '),
    reference: formatReference(reference),
    headDigest: () => places.ask(async (place) => (await place.head(wanted))?.digest),
    top: () => places.ask((place) => place.top(wanted)),
    manifest: (descriptor) => places.ask((place) => place.manifest(descriptor)),
    smallBlob: (descriptor, maxBytes) =>
      places.ask((place) => place.smallBlob(descriptor, maxBytes)),
    blob: (descriptor, offset, signal) => places.stream(descriptor, offset, signal),
    [Symbol.asyncDispose]: () => places[Symbol.asyncDispose](),
  };
}

/** One registry, as far as an image is read from it. */
interface Place {
  /** `registry/repository`, for messages. */
  readonly name: string;
  head(tagOrDigest: string): Promise<Descriptor | undefined>;
  top(tagOrDigest: string): Promise<ManifestBytes>;
  manifest(descriptor: Descriptor): Promise<ManifestBytes>;
  smallBlob(descriptor: Descriptor, maxBytes: number): Promise<Buffer>;
  blob(descriptor: Descriptor, offset: number, signal: AbortSignal): AsyncIterable<Buffer>;
}

/** A place that did not give what was asked. */
interface Failure {
  readonly place: Place;
  readonly error: EngineError;
}

/** All places of one reference; owns their connections. */
class Places implements AsyncDisposable {
  readonly #places: readonly Place[];
  readonly #clients: readonly RegistryClient[];
  readonly #reference: Reference;
  readonly #options: OperationOptions;
  /** Where the next question goes first. */
  #current = 0;
  /** How often each blob was asked for: bytes that were wrong are not asked of the same place again. */
  readonly #asked = new Map<Digest, number>();

  constructor(
    reference: Reference,
    endpoints: readonly PullEndpoint[],
    { settings, ...options }: OperationOptions & { readonly settings: EngineSettings },
  ) {
    this.#reference = reference;
    this.#options = options;
    const { onProgress, signal } = options;
    const retryBudget = createRetryBudget();
    this.#clients = endpoints.map(({ registry, isInsecure }) =>
      connectRegistry(registry, settings, { isInsecure, retryBudget, onProgress }),
    );
    this.#places = this.#clients.map((client, position) => {
      const { registry = '', repository = '' } = endpoints[position] ?? {};
      const isLast = position === endpoints.length - 1;
      const request = {
        ...(signal === undefined ? {} : { signal }),
        ...(isLast ? {} : { attempts: MIRROR_ATTEMPTS }),
      };
      return openPlace(client, { registry, repository }, request);
    });
  }

  /** The answer of the first place that gives one, from the current place on. */
  async ask<T>(question: (place: Place) => Promise<T>): Promise<T> {
    const failures: Failure[] = [];
    for (let at = this.#current; ; at += 1) {
      const place = this.#places[at];
      if (place === undefined) throw this.#allFailed(failures);
      try {
        const answer = await question(place);
        this.#current = Math.max(this.#current, at);
        return answer;
      } catch (error) {
        failures.push({ place, error: this.#passable(error) });
        this.#reportNext(failures, this.#places[at + 1]);
      }
    }
  }

  /** The bytes of a blob; when a place fails in the middle, the next one goes on from there. */
  async *stream(
    descriptor: Descriptor,
    offset: number,
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    const before = this.#asked.get(descriptor.digest) ?? 0;
    this.#asked.set(descriptor.digest, before + 1);
    const failures: Failure[] = [];
    let position = offset;
    for (let at = Math.min(this.#current + before, this.#places.length - 1); ; at += 1) {
      const place = this.#places[at];
      if (place === undefined) throw this.#allFailed(failures);
      try {
        for await (const chunk of place.blob(descriptor, position, signal)) {
          position += chunk.length;
          yield chunk;
        }
        return;
      } catch (error) {
        failures.push({ place, error: this.#passable(error) });
        this.#reportNext(failures, this.#places[at + 1]);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client[Symbol.asyncDispose]()));
  }

  /** The error, when another place may do better. @throws it, when not */
  #passable(error: unknown): EngineError {
    if (error instanceof EngineError && error.code !== 'CANCELLED') return error;
    throw error;
  }

  /** A mirror need not have everything, so that only other failures of one are worth a line. */
  #reportNext(failures: readonly Failure[], next: Place | undefined): void {
    const last = failures.at(-1);
    if (last === undefined || next === undefined || last.error.code === 'REGISTRY_NOT_FOUND')
      return;
    const message = `mirror ${quote(last.place.name)} failed, ${quote(next.name)} is asked instead: ${last.error.message}`;
    this.#options.onProgress?.({ type: 'warning', message });
  }

  /** The last place is the authority, so its code stands for all. */
  #allFailed(failures: readonly Failure[]): EngineError {
    const last = failures.at(-1);
    if (last === undefined) {
      return new EngineError('REGISTRY_UNAVAILABLE', 'there is no registry that could be asked');
    }
    if (failures.length === 1) return last.error;
    const list = failures.map(({ place, error }) => `${quote(place.name)}: ${error.message}`);
    return new EngineError(
      last.error.code,
      `${quote(formatReference(this.#reference))} cannot be fetched from any of ${failures.length} places: ${list.join('; ')}`,
      { cause: last.error, ...(last.error.hint === undefined ? {} : { hint: last.error.hint }) },
    );
  }
}

function openPlace(
  client: RegistryClient,
  { registry, repository }: Pick<PullEndpoint, 'registry' | 'repository'>,
  request: { readonly signal?: AbortSignal; readonly attempts?: number },
): Place {
  const name = `${registry}/${repository}`;
  return {
    name,
    head: (tagOrDigest) => client.headManifest(repository, tagOrDigest, request),
    top: async (tagOrDigest) => {
      const fetched = await client.fetchManifest(repository, tagOrDigest, request);
      // What is no manifest at all, such as a portal's page, is a failure of this place.
      parseManifestDocument(fetched.bytes, fetched.mediaType, `manifest from ${quote(name)}`);
      return fetched;
    },
    manifest: async (descriptor) => {
      const fetched = await client.fetchManifest(repository, descriptor.digest, request);
      verifyBytes(fetched.bytes, descriptor, `manifest ${descriptor.digest} of ${repository}`);
      return fetched;
    },
    smallBlob: (descriptor, maxBytes) =>
      client.fetchSmallBlob(repository, descriptor, maxBytes, request),
    blob: (descriptor, offset, signal) =>
      client.fetchBlob(repository, descriptor, { ...request, offset, signal }),
  };
}
