/**
 * The push side of the registry in the test process: upload sessions, mounts, manifests that are put,
 * and lists of tags. Blobs belong to the repository that they were pushed to.
 */
import { type Digest, digestOf } from '../../src/core/oci/digest.ts';
import { type Answer, empty, json, registryError } from './registry-answers.ts';

/** A request with its body. */
export interface ReceivedRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  /** The connection ended before the body did. */
  readonly isCut: boolean;
}

/** How this registry differs from one that can do everything. */
export interface UploadBehaviour {
  /** After a cut the upload is gone, as with docker-registry; else the bytes that came are kept. */
  readonly forgetsAfterCut?: boolean;
  /** Answers a mount with an upload session, as a registry does that cannot mount. */
  readonly cannotMount?: boolean;
  /** `OCI-Chunk-Min-Length` of new sessions. */
  readonly minChunkBytes?: number;
  /** Bodies above this are answered with 413, as a proxy does. */
  readonly maxBodyBytes?: number;
  /** Refuses every PATCH with this status. */
  readonly refusesPatch?: number;
  /** Refuses a PUT that carries the blob with this status. */
  readonly refusesWholePut?: number;
  /** Gives sessions at this origin instead of its own. */
  readonly uploadOrigin?: string;
  /** Locations are absolute paths instead of URLs. */
  readonly hasRelativeLocations?: boolean;
  /** Tags per page, whatever is asked for. */
  readonly tagsPerPage?: number;
}

export class RegistryUploads {
  behaviour: UploadBehaviour = {};
  readonly #origin: () => string;
  readonly #blobs = new Map<string, Buffer>();
  readonly #sessions = new Map<string, Buffer>();
  readonly #tags = new Map<string, Set<string>>();
  /** Sessions whose last chunk was shorter than the least, so that no other may follow. */
  readonly #short = new Set<string>();
  #begun = 0;

  constructor(origin: () => string) {
    this.#origin = origin;
  }

  /** Sessions that were neither completed nor given up. */
  get openSessions(): number {
    return this.#sessions.size;
  }

  /** The blob that was pushed to, or mounted in, a repository. */
  blob(repository: string, digest: string): Buffer | undefined {
    return this.#blobs.get(`${repository}@${digest}`);
  }

  addBlob(repository: string, bytes: Buffer): Digest {
    const digest = digestOf(bytes);
    this.#blobs.set(`${repository}@${digest}`, bytes);
    return digest;
  }

  addTag(repository: string, tag: string): void {
    const tags = this.#tags.get(repository) ?? new Set();
    this.#tags.set(repository, tags.add(tag));
  }

  /** The answer to a request that belongs here; undefined for every other one. */
  answer(request: ReceivedRequest): Answer | undefined {
    const { pathname } = request.url;
    const limit = this.behaviour.maxBodyBytes ?? Number.POSITIVE_INFINITY;
    if (request.body.length > limit) return empty(413);
    const tags = /^\/v2\/(.+)\/tags\/list$/.exec(pathname);
    if (tags !== null) return this.#listTags(tags[1] ?? '', request.url);
    const begin = /^\/v2\/(.+)\/blobs\/uploads\/$/.exec(pathname);
    if (begin !== null && request.method === 'POST')
      return this.#begin(begin[1] ?? '', request.url);
    const upload = /^\/v2\/(.+)\/blobs\/uploads\/([0-9]+)$/.exec(pathname);
    if (upload !== null) return this.#upload(upload[1] ?? '', upload[2] ?? '', request);
    return undefined;
  }

  #begin(repository: string, { searchParams }: URL): Answer {
    const digest = searchParams.get('mount');
    const source = this.blob(searchParams.get('from') ?? '', digest ?? '');
    if (source !== undefined && !this.behaviour.cannotMount) {
      this.addBlob(repository, source);
      return empty(201, { 'docker-content-digest': digestOf(source) });
    }
    this.#begun += 1;
    const id = String(this.#begun);
    this.#sessions.set(id, Buffer.alloc(0));
    const { minChunkBytes } = this.behaviour;
    const extra = minChunkBytes === undefined ? {} : { 'oci-chunk-min-length': `${minChunkBytes}` };
    return this.#progress(repository, id, 202, extra);
  }

  #upload(repository: string, id: string, request: ReceivedRequest): Answer {
    const held = this.#sessions.get(id);
    if (held === undefined) return registryError(404, 'BLOB_UPLOAD_UNKNOWN');
    if (request.isCut) return this.#cut(id, held, request);
    switch (request.method) {
      case 'GET':
        return this.#progress(repository, id, 204);
      case 'DELETE':
        this.#sessions.delete(id);
        return empty(204);
      case 'PATCH':
        return this.#append(repository, id, request);
      case 'PUT':
        return this.#complete(repository, id, request);
      default:
        return registryError(405, 'UNSUPPORTED');
    }
  }

  #cut(id: string, held: Buffer, { method, body }: ReceivedRequest): Answer {
    if (this.behaviour.forgetsAfterCut) this.#sessions.delete(id);
    else if (method === 'PATCH') this.#sessions.set(id, Buffer.concat([held, body]));
    return empty(500);
  }

  #append(repository: string, id: string, { headers, body }: ReceivedRequest): Answer {
    const { refusesPatch, minChunkBytes } = this.behaviour;
    if (refusesPatch !== undefined) return registryError(refusesPatch, 'UNSUPPORTED');
    const held = this.#sessions.get(id) ?? Buffer.alloc(0);
    const range = `${held.length}-${held.length + body.length - 1}`;
    if (headers['content-range'] !== range) return this.#progress(repository, id, 416);
    if (this.#short.has(id)) return registryError(400, 'SIZE_INVALID');
    if (body.length < (minChunkBytes ?? 0)) this.#short.add(id);
    this.#sessions.set(id, Buffer.concat([held, body]));
    return this.#progress(repository, id, 202);
  }

  #complete(repository: string, id: string, { url, body }: ReceivedRequest): Answer {
    const { refusesWholePut } = this.behaviour;
    if (body.length > 0 && refusesWholePut !== undefined)
      return registryError(refusesWholePut, 'DENIED');
    const bytes = Buffer.concat([this.#sessions.get(id) ?? Buffer.alloc(0), body]);
    this.#sessions.delete(id);
    if (digestOf(bytes) !== url.searchParams.get('digest'))
      return registryError(400, 'DIGEST_INVALID');
    const digest = this.addBlob(repository, bytes);
    return empty(201, {
      location: `/v2/${repository}/blobs/${digest}`,
      'docker-content-digest': digest,
    });
  }

  #progress(repository: string, id: string, status: number, extra = {}): Answer {
    const { uploadOrigin, hasRelativeLocations } = this.behaviour;
    const held = this.#sessions.get(id)?.length ?? 0;
    const path = `/v2/${repository}/blobs/uploads/${id}?state=${held}%20a+b`;
    const origin = uploadOrigin ?? (hasRelativeLocations ? '' : this.#origin());
    return empty(status, {
      location: `${origin}${path}`,
      range: `0-${Math.max(0, held - 1)}`,
      ...extra,
    });
  }

  #listTags(repository: string, url: URL): Answer {
    const known = this.#tags.get(repository);
    if (known === undefined) return registryError(404, 'NAME_UNKNOWN');
    const last = url.searchParams.get('last') ?? '';
    const tags = [...known].sort().filter((tag) => tag > last);
    const asked = Number(url.searchParams.get('n') ?? tags.length);
    const page = tags.slice(0, this.behaviour.tagsPerPage ?? asked);
    const next = `/v2/${repository}/tags/list?n=${asked}&last=${page.at(-1)}`;
    const link: Record<string, string> =
      page.length < tags.length ? { link: `<${next}>; rel="next"` } : {};
    return json(200, { name: repository, tags: page }, link);
  }
}
