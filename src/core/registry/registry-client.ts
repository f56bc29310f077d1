/** A client of the distribution-spec: "Pull", "Push" and "Content Discovery". */
import { EngineError, quote } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type Digest, isDigest } from '../oci/digest.ts';
import { DigestVerifier } from '../oci/digest-verifier.ts';
import { ACCEPTED_MANIFESTS, bareMediaType } from '../oci/media-type.ts';
import type { OnProgress } from '../progress.ts';
import { type BlobOutcome, pushBlob } from './blob-push.ts';
import { type BlobSource, streamBlob } from './blob-stream.ts';
import { DEFAULT_UPLOAD_SIZES, type UploadSizes } from './blob-upload.ts';
import { credentialSource } from './credential-store.ts';
import { endpointOf } from './endpoint.ts';
import type { Answer } from './exchange.ts';
import { type ManifestUpload, pushManifest } from './manifest-push.ts';
import { readManifestBody, statedDigest, verifyManifest } from './manifest-response.ts';
import { listReferrers } from './referrer-list.ts';
import { headerOf } from './registry-error.ts';
import { NO_REGISTRY_SETTINGS, type RegistrySettings } from './registry-settings.ts';
import {
  createRetryBudget,
  DEFAULT_LIMITS,
  type RetryBudget,
  type TransportLimits,
} from './retry.ts';
import { listTags } from './tag-list.ts';
import { Transport } from './transport.ts';
import { type BlobContent, verifiedContent } from './upload-content.ts';

/** How registries are spoken to. */
export interface RegistryOptions {
  /** Hosts, with their port, that are spoken to in plain HTTP. Loopback hosts always are. */
  readonly insecureRegistries: readonly string[];
  readonly userAgent: string;
  readonly onProgress?: OnProgress;
  readonly limits?: Partial<TransportLimits>;
  /** Shared by the clients of one fetch; the client has its own when absent. */
  readonly retryBudget?: RetryBudget;
  /** Answers in place of the registry's own endpoint. */
  readonly endpoint?: URL;
  readonly uploadSizes?: UploadSizes;
  /** Credentials, proxies and certificates; none when absent. */
  readonly registries?: RegistrySettings | undefined;
}

/** A manifest or an index, verified but not parsed. */
export interface FetchedManifest {
  readonly bytes: Buffer;
  /** As the registry stated it, without parameters, lower case; empty when it did not. */
  readonly mediaType: string;
  readonly digest: Digest;
}

export interface RequestOptions {
  readonly signal?: AbortSignal;
  /** How often it is sent at most, where that differs from the client's limits. */
  readonly attempts?: number;
}

/** Options of `pushBlob`. */
export interface PushBlobOptions extends RequestOptions {
  /** A repository of the same registry that may have the blob. */
  readonly mountFrom?: string;
  /** Is told how many bytes of the blob are under way; less again when some must be sent twice. */
  readonly onSent?: (sentBytes: number) => void;
}

/**
 * Reads, lists and pushes manifests and blobs of one registry; with a bearer token where it is asked for.
 *
 * Owns its connections. Any number of requests may be under way at once. Every method throws
 * `EngineError`: `REGISTRY_NOT_FOUND`, `REGISTRY_UNAUTHORIZED`, `REGISTRY_UNAVAILABLE`,
 * `REGISTRY_RESPONSE_INVALID` or `CANCELLED`, beside what it names itself.
 */
export class RegistryClient implements AsyncDisposable {
  readonly #registry: string;
  readonly #transport: Transport;
  readonly #uploadSizes: UploadSizes;

  /** @param registry host with an optional port, as in a reference; `docker.io` is Docker Hub. */
  constructor(registry: string, options: RegistryOptions) {
    this.#registry = registry;
    this.#uploadSizes = options.uploadSizes ?? DEFAULT_UPLOAD_SIZES;
    const registries = options.registries ?? NO_REGISTRY_SETTINGS;
    this.#transport = new Transport({
      registries,
      credentials: credentialSource(registry, registries),
      endpoint: options.endpoint ?? endpointOf(registry, options.insecureRegistries),
      insecureRegistries: options.insecureRegistries,
      userAgent: options.userAgent,
      limits: { ...DEFAULT_LIMITS, ...options.limits },
      retryBudget: options.retryBudget ?? createRetryBudget(),
      onProgress: options.onProgress,
    });
  }

  /**
   * What a tag points to, without its bytes.
   *
   * @returns undefined when the registry does not say it in its headers: fetch the manifest then.
   * @throws EngineError also `DIGEST_INVALID`, and `DIGEST_MISMATCH` when a digest was asked for and
   * another one is stated.
   */
  async headManifest(
    repository: string,
    tagOrDigest: string,
    options: RequestOptions = {},
  ): Promise<Descriptor | undefined> {
    const where = this.#manifestName(repository, tagOrDigest);
    const open = async (): Promise<Answer> => {
      const opened = await this.#openManifest('HEAD', repository, tagOrDigest, options);
      await opened.body.discard();
      return opened;
    };
    const answer = await this.#transport.retrying(options.signal, open, options.attempts);
    const digest = statedDigest(answer, where);
    const length = headerOf(answer, 'content-length') ?? '';
    if (answer.status === 405 || digest === undefined || !/^[0-9]{1,15}$/.test(length)) {
      return undefined;
    }
    if (isDigest(tagOrDigest) && tagOrDigest !== digest) {
      throw new EngineError(
        'DIGEST_MISMATCH',
        `${where} does not have its digest: the registry states ${quote(digest)}`,
      );
    }
    return { mediaType: mediaTypeOf(answer), digest, size: Number(length) };
  }

  /**
   * Fetches a manifest or an index of at most 4 MiB.
   *
   * @throws EngineError also `DIGEST_MISMATCH` when the bytes have neither the digest that was asked
   * for nor the one that the registry states; `DIGEST_INVALID`.
   */
  async fetchManifest(
    repository: string,
    tagOrDigest: string,
    options: RequestOptions = {},
  ): Promise<FetchedManifest> {
    const where = this.#manifestName(repository, tagOrDigest);
    const fetch = async (): Promise<FetchedManifest> => {
      const answer = await this.#openManifest('GET', repository, tagOrDigest, options);
      const bytes = await readManifestBody(answer, where);
      const stated = statedDigest(answer, where);
      const digest = verifyManifest(bytes, { asked: tagOrDigest, stated }, where);
      return { bytes, mediaType: mediaTypeOf(answer), digest };
    };
    return this.#transport.retrying(options.signal, fetch, options.attempts);
  }

  /**
   * The bytes of a blob from `offset` on, not verified: give them to a `DigestVerifier`.
   *
   * After a cut it goes on by itself. Nothing is sent before the first byte is asked for, nor for
   * `offset` at or beyond the descriptor's size. At most one byte more than the descriptor says is
   * yielded. Leaving the loop closes the connection.
   *
   * @throws EngineError also `SIZE_MISMATCH` when the registry has another size for it.
   */
  fetchBlob(
    repository: string,
    descriptor: Descriptor,
    options: RequestOptions & { readonly offset?: number } = {},
  ): AsyncIterable<Buffer> {
    const source: BlobSource = {
      transport: this.#transport,
      path: `/v2/${repository}/blobs/${descriptor.digest}`,
      scope: scopeOf(repository),
      descriptor,
      where: `blob ${quote(descriptor.digest)} of ${quote(`${this.#registry}/${repository}`)}`,
    };
    const { offset = 0, attempts, signal } = options;
    return streamBlob(source, { offset, attempts, signal });
  }

  /**
   * A whole blob, verified. Wrong bytes are fetched once more: a proxy may have spoiled them.
   *
   * @throws EngineError also `IMAGE_INVALID` when the descriptor says more than `maxBytes`;
   * `SIZE_MISMATCH`, `DIGEST_MISMATCH`.
   */
  async fetchSmallBlob(
    repository: string,
    descriptor: Descriptor,
    maxBytes: number,
    options: RequestOptions = {},
  ): Promise<Buffer> {
    const where = `blob ${quote(descriptor.digest)} of ${quote(`${this.#registry}/${repository}`)}`;
    if (descriptor.size > maxBytes) {
      throw new EngineError(
        'IMAGE_INVALID',
        `${where} has ${descriptor.size} bytes; expected at most ${maxBytes}`,
      );
    }
    const collect = (): Promise<Buffer> =>
      collectVerified(this.fetchBlob(repository, descriptor, options), descriptor, where);
    try {
      return await collect();
    } catch (error) {
      if (!(error instanceof EngineError) || error.code !== 'DIGEST_MISMATCH') throw error;
      return collect();
    }
  }

  /**
   * Brings a blob into a repository: not at all when it is there, without its bytes when the registry
   * takes it from `mountFrom`, else by an upload that goes on after cuts.
   *
   * @throws EngineError also `SIZE_MISMATCH` and `DIGEST_MISMATCH` when `content` is not what the
   * descriptor says, which is noticed before the upload is complete; what `content` throws.
   */
  async pushBlob(
    repository: string,
    descriptor: Descriptor,
    { content, ...options }: PushBlobOptions & { readonly content: BlobContent },
  ): Promise<BlobOutcome> {
    const where = `blob ${quote(descriptor.digest)} to ${quote(`${this.#registry}/${repository}`)}`;
    const upload = {
      transport: this.#transport,
      repository,
      descriptor,
      content: verifiedContent(content, descriptor, `blob ${quote(descriptor.digest)}`),
      scope: pushScopeOf(repository),
      where,
      onSent: options.onSent,
      signal: options.signal,
    };
    return pushBlob(upload, { sizes: this.#uploadSizes, mountFrom: options.mountFrom });
  }

  /**
   * Puts a manifest or an index, byte for byte, under a tag or under its own digest. All that it names
   * must be there.
   *
   * @returns the digest of `bytes`.
   * @throws EngineError also `DIGEST_MISMATCH` when the registry states that it stored something else
   */
  async pushManifest(
    repository: string,
    tagOrDigest: string,
    manifest: ManifestUpload & RequestOptions,
  ): Promise<Digest> {
    const where = this.#manifestName(repository, tagOrDigest);
    const target = { transport: this.#transport, repository, tagOrDigest, where };
    return pushManifest({ ...target, scope: pushScopeOf(repository) }, manifest);
  }

  /**
   * All tags of a repository, sorted by code point.
   *
   * @throws EngineError `REGISTRY_RESPONSE_INVALID` also for pages that never end
   */
  listTags(repository: string, { signal }: RequestOptions = {}): Promise<readonly string[]> {
    const where = `the tags of ${quote(`${this.#registry}/${repository}`)}`;
    return listTags({
      transport: this.#transport,
      repository,
      scope: scopeOf(repository),
      where,
      signal,
    });
  }

  /**
   * Manifests of one kind that refer to `digest`, such as signatures; the first page of them.
   *
   * @returns undefined when the registry does not know the referrers API.
   */
  listReferrers(
    repository: string,
    referrers: { readonly digest: Digest; readonly artifactType: string } & RequestOptions,
  ): Promise<readonly Descriptor[] | undefined> {
    const { digest, artifactType, signal } = referrers;
    const name = `${this.#registry}/${repository}@${digest}`;
    const where = `the referrers of ${quote(name)}`;
    const scope = scopeOf(repository);
    return listReferrers({
      transport: this.#transport,
      ...{ repository, digest, artifactType, scope, where, signal },
    });
  }

  /** Closes all connections; what is under way fails. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#transport[Symbol.dispose]();
  }

  #manifestName(repository: string, tagOrDigest: string): string {
    const separator = isDigest(tagOrDigest) ? '@' : ':';
    return `manifest ${quote(`${this.#registry}/${repository}${separator}${tagOrDigest}`)}`;
  }

  #openManifest(
    method: 'GET' | 'HEAD',
    repository: string,
    tagOrDigest: string,
    { signal }: RequestOptions,
  ): Promise<Answer> {
    return this.#transport.open({
      method,
      path: `/v2/${repository}/manifests/${tagOrDigest}`,
      scope: scopeOf(repository),
      doing: `fetch ${this.#manifestName(repository, tagOrDigest)}`,
      headers: { accept: ACCEPTED_MANIFESTS.join(', ') },
      // Some registries know no HEAD.
      expects: method === 'HEAD' ? [200, 405] : [200],
      signal,
    });
  }
}

function scopeOf(repository: string): string {
  return `repository:${repository}:pull`;
}

function pushScopeOf(repository: string): string {
  return `repository:${repository}:pull,push`;
}

function mediaTypeOf(answer: Answer): string {
  return bareMediaType(headerOf(answer, 'content-type') ?? '');
}

async function collectVerified(
  source: AsyncIterable<Buffer>,
  descriptor: Descriptor,
  where: string,
): Promise<Buffer> {
  const verifier = new DigestVerifier(descriptor, where);
  const chunks: Buffer[] = [];
  for await (const chunk of source) {
    verifier.update(chunk);
    chunks.push(chunk);
  }
  verifier.end();
  return Buffer.concat(chunks);
}
