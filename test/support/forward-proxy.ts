/** A forward proxy on a loopback port: whatever host is asked for, it leads to one port of this machine. */
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';

/** A request that the proxy got. */
export interface ProxiedRequest {
  readonly method: string;
  /** An absolute URL, or `HOST:PORT` of a CONNECT. */
  readonly target: string;
  readonly authorization: string | undefined;
}

export interface ForwardProxyOptions {
  /** Where everything leads. */
  readonly port: number;
  /** Answers every CONNECT with this instead. */
  readonly connectStatus?: number;
  /** Never answers a CONNECT. */
  readonly hangs?: boolean;
  readonly tls?: { readonly key: string; readonly cert: string };
}

export class ForwardProxy implements AsyncDisposable {
  readonly requests: ProxiedRequest[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();
  readonly #options: ForwardProxyOptions;

  private constructor(options: ForwardProxyOptions) {
    this.#options = options;
    const { tls } = options;
    this.#server = tls === undefined ? createServer() : createTlsServer({ ...tls });
    this.#server.on('connection', (socket: Duplex) => this.#keep(socket));
    this.#server.on('connect', (request, socket) => this.#connect(request, socket));
    this.#server.on('request', (request, response) => {
      this.#record(request);
      const { pathname, search } = new URL(request.url ?? '');
      const { headers, method } = request;
      const onward = httpRequest(
        { port: options.port, host: '127.0.0.1', path: pathname + search, method, headers },
        (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(response);
        },
      );
      onward.on('error', () => response.destroy());
      request.pipe(onward);
    });
  }

  static async start(options: ForwardProxyOptions): Promise<ForwardProxy> {
    const proxy = new ForwardProxy(options);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** `127.0.0.1:PORT`. */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket)).on('error', () => socket.destroy());
  }

  #record({ method = '', url = '', headers }: IncomingMessage): void {
    const authorization = headers['proxy-authorization'];
    this.requests.push({ method, target: url, authorization });
  }

  #connect(request: IncomingMessage, socket: Duplex): void {
    this.#record(request);
    const { port, connectStatus, hangs } = this.#options;
    if (hangs) return;
    if (connectStatus !== undefined) {
      socket.end(`HTTP/1.1 ${connectStatus} No\r\n\r\n`);
      return;
    }
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    this.#keep(onward);
  }
}
