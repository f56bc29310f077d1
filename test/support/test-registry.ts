/**
 * A registry in the test process: real HTTP on loopback, blobs and manifests in memory, every request
 * recorded, and faults on request.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Descriptor } from '../../src/core/oci/descriptor.ts';
import { type Digest, digestOf } from '../../src/core/oci/digest.ts';
import type { BuiltImage, BuiltIndex } from './image-builder.ts';
import { type Answer, blobAnswer, json, pourZeros, registryError } from './registry-answers.ts';
import { RegistryUploads } from './registry-uploads.ts';

/** A request as it arrived, and the status that it was answered with (0: no answer). */
export interface RecordedRequest {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** What came of its body. */
  body: Buffer;
  status: number;
}

/** What to do other than answer properly. Fields combine. */
export interface Fault {
  /** Wait before anything else. */
  readonly delayMs?: number;
  /** Destroy the connection instead of answering. */
  readonly reset?: boolean;
  /** Destroy the connection after this many bytes of the request's body. */
  readonly cutRequestAfterBytes?: number;
  /** Never answer. */
  readonly hang?: boolean;
  /** Replaces the status; without `body` the answer then has none. */
  readonly status?: number;
  readonly body?: Buffer | string;
  /** Replaces or adds headers; undefined removes one. */
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>;
  /** Answer 307 with this location. */
  readonly redirect?: string;
  /** Destroy the connection after this many bytes of the body. */
  readonly cutAfterBytes?: number;
  /** Send nothing more after this many bytes of the body, and keep the connection. */
  readonly stallAfterBytes?: number;
  /** End properly, but after this many bytes of the body. */
  readonly shortenTo?: number;
  /** After the body send zero bytes until the client hangs up; chunked. */
  readonly endless?: boolean;
  /** Answer 200 with everything to a request for a range. */
  readonly ignoreRange?: boolean;
  /** Invert this byte of the body. */
  readonly flipByteAt?: number;
  /** Send `bytesPerWrite` bytes of the body every `intervalMs`. */
  readonly drip?: { readonly bytesPerWrite: number; readonly intervalMs: number };
  /**
   * Send the body as a network does that has room for `bytes` on the way: no more than that beyond
   * what the client has taken of it.
   */
  readonly window?: { readonly bytes: number; readonly taken: () => number };
}

/** Decides about a request; `count` is how often this method and path came, from 1. */
export type FaultHook = (request: RecordedRequest, count: number) => Fault | undefined;

export interface TestRegistryOptions {
  /** `token`: every request needs a bearer token that `/token` of this registry gives. */
  readonly auth?: 'none' | 'token';
  /** Makes it an https registry. */
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly fault?: FaultHook;
}

interface StoredManifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
}

export class TestRegistry implements AsyncDisposable {
  /** Every request in order of arrival. */
  readonly requests: RecordedRequest[] = [];
  fault: FaultHook | undefined;
  /** What was pushed, and how pushes are answered. */
  readonly uploads = new RegistryUploads(() => this.origin);
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** By connections that are closed. */
  #sentBefore = 0;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #blobs = new Map<string, Buffer>();
  readonly #manifests = new Map<string, StoredManifest>();
  readonly #counts = new Map<string, number>();
  readonly #tokens = new Set<string>();
  readonly #options: TestRegistryOptions;

  private constructor(options: TestRegistryOptions) {
    this.#options = options;
    this.fault = options.fault;
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      this.#handle(request, response);
    };
    this.#server =
      options.tls === undefined
        ? createServer(onRequest)
        : createTlsServer({ key: options.tls.key, cert: options.tls.cert }, onRequest);
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        this.#sentBefore += sentBy(socket);
      });
      socket.on('error', () => socket.destroy());
    });
  }

  static async start(options: TestRegistryOptions = {}): Promise<TestRegistry> {
    const registry = new TestRegistry(options);
    await new Promise<void>((resolve) => {
      registry.#server.listen(0, '127.0.0.1', resolve);
    });
    return registry;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** `127.0.0.1:PORT`, to be used as the registry of a reference. */
  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** `http://127.0.0.1:PORT`, or https. */
  get origin(): string {
    return `${this.#options.tls === undefined ? 'http' : 'https'}://${this.host}`;
  }

  /** Connections that are open. */
  get openConnections(): number {
    return this.#sockets.size;
  }

  /** Bytes that have left this process, heads included; what waits in the kernel is among them. */
  get sentBytes(): number {
    return [...this.#sockets].reduce((sum, socket) => sum + sentBy(socket), this.#sentBefore);
  }

  addBlob(bytes: Buffer): Digest {
    const digest = digestOf(bytes);
    this.#blobs.set(digest, bytes);
    return digest;
  }

  /** Serves these bytes for a digest that need not be theirs. */
  addBlobAs(digest: Digest, bytes: Buffer): void {
    this.#blobs.set(digest, bytes);
  }

  addManifest(
    repository: string,
    bytes: Buffer,
    options: { mediaType: string; tag?: string },
  ): Descriptor {
    const digest = digestOf(bytes);
    const stored = { bytes, mediaType: options.mediaType };
    this.#manifests.set(`${repository}@${digest}`, stored);
    if (options.tag !== undefined) this.#manifests.set(`${repository}@${options.tag}`, stored);
    return { mediaType: options.mediaType, digest, size: bytes.length };
  }

  /** Holds an image under a tag and gives its reference. */
  addImage(repository: string, tag: string, image: BuiltImage): string {
    this.#addContent(repository, image);
    const { bytes, descriptor } = image.manifest;
    this.addManifest(repository, bytes, { mediaType: descriptor.mediaType, tag });
    return `${this.host}/${repository}:${tag}`;
  }

  /** Holds an index with all its images under a tag and gives its reference. */
  addIndex(repository: string, tag: string, built: BuiltIndex): string {
    for (const image of built.images) this.#addContent(repository, image);
    const { bytes, descriptor } = built.index;
    this.addManifest(repository, bytes, { mediaType: descriptor.mediaType, tag });
    return `${this.host}/${repository}:${tag}`;
  }

  /** The recorded requests whose path holds `part`. */
  requestsFor(part: string): RecordedRequest[] {
    return this.requests.filter((request) => request.path.includes(part));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #addContent(repository: string, image: BuiltImage): void {
    const { bytes, descriptor } = image.manifest;
    this.addManifest(repository, bytes, { mediaType: descriptor.mediaType });
    for (const [digest, blob] of image.blobs) {
      if (digest !== descriptor.digest) this.#blobs.set(digest, blob);
    }
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const recorded: RecordedRequest = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: Buffer.alloc(0),
      status: 0,
    };
    this.requests.push(recorded);
    const key = `${recorded.method} ${recorded.path}`;
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    const fault = this.fault?.(recorded, count) ?? {};
    const act = (): void => this.#act(recorded, response, fault);
    this.#readBody(request, recorded, fault, () => {
      if (fault.delayMs === undefined) act();
      else this.#after(fault.delayMs, act);
    });
  }

  /** Requests without a body are answered at once, in the order in which they came. */
  #readBody(
    request: IncomingMessage,
    recorded: RecordedRequest,
    fault: Fault,
    whenRead: () => void,
  ): void {
    if (!['POST', 'PUT', 'PATCH'].includes(recorded.method)) {
      whenRead();
      return;
    }
    const cutAfter = fault.cutRequestAfterBytes ?? Number.POSITIVE_INFINITY;
    const chunks: Buffer[] = [];
    let isCut = false;
    request.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      recorded.body = Buffer.concat(chunks).subarray(0, cutAfter);
      if (recorded.body.length < cutAfter || isCut) return;
      isCut = true;
      request.socket.destroy();
      this.uploads.answer({ ...this.#received(recorded), isCut: true });
    });
    request.on('end', whenRead);
  }

  #received(request: RecordedRequest) {
    return { ...request, url: new URL(request.path, this.origin), isCut: false };
  }

  #act(request: RecordedRequest, response: ServerResponse, fault: Fault): void {
    if (fault.hang) return;
    if (fault.reset) {
      response.socket?.destroy();
      return;
    }
    const answer = applyFault(this.#answer(request, fault), fault);
    request.status = answer.status;
    for (const [name, value] of Object.entries({ ...answer.headers, ...fault.headers })) {
      if (value === undefined) response.removeHeader(name);
      else response.setHeader(name, value);
    }
    response.statusCode = answer.status;
    if (request.method === 'HEAD') response.end();
    else this.#send(response, answer.body, fault);
  }

  #send(response: ServerResponse, body: Buffer, fault: Fault): void {
    const limit = fault.cutAfterBytes ?? fault.stallAfterBytes;
    if (fault.endless) {
      response.removeHeader('content-length');
      response.write(body);
      pourZeros(response);
    } else if (fault.drip !== undefined) {
      this.#drip(response, body, fault.drip);
    } else if (fault.window !== undefined) {
      this.#sendInWindow(response, { body, sentBytes: 0, window: fault.window });
    } else if (limit === undefined) {
      response.end(body);
    } else {
      response.flushHeaders();
      response.write(body.subarray(0, limit), () => {
        if (fault.cutAfterBytes !== undefined) response.socket?.destroy();
      });
    }
  }

  #drip(response: ServerResponse, body: Buffer, drip: NonNullable<Fault['drip']>): void {
    if (response.destroyed) return;
    if (body.length === 0) {
      response.end();
      return;
    }
    response.write(body.subarray(0, drip.bytesPerWrite));
    this.#after(drip.intervalMs, () => {
      this.#drip(response, body.subarray(drip.bytesPerWrite), drip);
    });
  }

  #sendInWindow(
    response: ServerResponse,
    sending: { body: Buffer; sentBytes: number; window: NonNullable<Fault['window']> },
  ): void {
    if (response.destroyed) return;
    const { body, sentBytes, window } = sending;
    const end = Math.min(body.length, Math.max(sentBytes, window.taken() + window.bytes));
    if (end > sentBytes) response.write(body.subarray(sentBytes, end));
    if (end === body.length) response.end();
    else this.#after(1, () => this.#sendInWindow(response, { ...sending, sentBytes: end }));
  }

  #after(delayMs: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, delayMs);
    this.#timers.add(timer);
  }

  #answer(request: RecordedRequest, fault: Fault): Answer {
    const url = new URL(request.path, this.origin);
    if (url.pathname === '/token') return this.#token();
    if (this.#options.auth === 'token' && !this.#isAuthorized(request))
      return this.#challenge(url, request.method);
    const pushed = this.uploads.answer(this.#received(request));
    if (pushed !== undefined) return pushed;
    const manifest = /^\/v2\/(.+)\/manifests\/([^/]+)$/.exec(url.pathname);
    if (manifest !== null) {
      const [, repository = '', name = ''] = manifest;
      return request.method === 'PUT'
        ? this.#putManifest(repository, name, request)
        : this.#manifest(repository, name);
    }
    const blob = /^\/v2\/(.+)\/blobs\/([^/]+)$/.exec(url.pathname);
    if (blob !== null) {
      const [, repository = '', digest = ''] = blob;
      const bytes = this.uploads.blob(repository, digest) ?? this.#blobs.get(digest);
      return blobAnswer(bytes, fault.ignoreRange ? undefined : request.headers.range);
    }
    return url.pathname === '/v2/' ? json(200, {}) : registryError(404, 'NAME_UNKNOWN');
  }

  #manifest(repository: string, name: string): Answer {
    const stored = this.#manifests.get(`${repository}@${name}`);
    if (stored === undefined) return registryError(404, 'MANIFEST_UNKNOWN');
    const { bytes, mediaType } = stored;
    return {
      status: 200,
      headers: {
        'content-type': mediaType,
        'content-length': String(bytes.length),
        'docker-content-digest': digestOf(bytes),
      },
      body: bytes,
    };
  }

  #putManifest(repository: string, name: string, { body, headers }: RecordedRequest): Answer {
    const { config, layers = [] } = JSON.parse(body.toString('utf8'));
    const isMissing = ({ digest }: Descriptor): boolean =>
      this.uploads.blob(repository, digest) === undefined && !this.#blobs.has(digest);
    const named: Descriptor[] = config === undefined ? layers : [config, ...layers];
    if (named.some(isMissing)) return registryError(404, 'MANIFEST_BLOB_UNKNOWN');
    const mediaType = String(headers['content-type']);
    const isTag = !name.includes(':');
    const options = isTag ? { mediaType, tag: name } : { mediaType };
    const { digest } = this.addManifest(repository, body, options);
    if (isTag) this.uploads.addTag(repository, name);
    return {
      ...json(201, {}),
      headers: { 'content-length': '2', 'docker-content-digest': digest },
    };
  }

  #token(): Answer {
    const token = `token-${this.#tokens.size + 1}`;
    this.#tokens.add(token);
    return json(200, { token, expires_in: 300 });
  }

  /** Forgets all tokens, as if they had expired. */
  expireTokens(): void {
    this.#tokens.clear();
  }

  #isAuthorized(request: RecordedRequest): boolean {
    const [scheme, token] = String(request.headers.authorization ?? '').split(' ');
    return scheme === 'Bearer' && token !== undefined && this.#tokens.has(token);
  }

  #challenge(url: URL, method: string): Answer {
    const repository = /^\/v2\/(.+)\/(?:manifests|blobs|tags)\//.exec(url.pathname)?.[1] ?? '';
    const actions = method === 'GET' || method === 'HEAD' ? 'pull' : 'pull,push';
    const answer = registryError(401, 'UNAUTHORIZED');
    answer.headers['www-authenticate'] =
      `Bearer realm="${this.origin}/token",service="test",scope="repository:${repository}:${actions}"`;
    return answer;
  }
}

function sentBy(socket: Socket): number {
  return socket.bytesWritten - socket.writableLength;
}

function applyFault(answer: Answer, fault: Fault): Answer {
  if (fault.redirect !== undefined) {
    return { status: 307, headers: { location: fault.redirect }, body: Buffer.alloc(0) };
  }
  let { status, headers, body } = answer;
  if (fault.status !== undefined || fault.body !== undefined) {
    status = fault.status ?? status;
    body = Buffer.from(fault.body ?? '');
    headers = fault.status === undefined ? headers : {};
    headers = { ...headers, 'content-length': String(body.length) };
  }
  if (fault.flipByteAt !== undefined) {
    body = Buffer.from(body);
    body[fault.flipByteAt] = ~(body[fault.flipByteAt] ?? 0);
  }
  if (fault.shortenTo !== undefined) {
    body = body.subarray(0, fault.shortenTo);
    headers = { ...headers, 'content-length': String(body.length) };
  }
  return { status, headers, body };
}
