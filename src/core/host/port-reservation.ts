/**
 * Ports of the host that nobody else can take: a socket is bound to them and never listens. The
 * kernel frees them with the process, however it ends.
 */
import { closeSync } from 'node:fs';
import { nativeFunction } from './ffi.ts';
import { throwLastError } from './libc.ts';

const socket = nativeFunction('socket', { arguments: ['i32', 'i32', 'i32'], return: 'i32' });
const bind = nativeFunction('bind', { arguments: ['i32', 'pointer', 'u32'], return: 'i32' });
const getsockname = nativeFunction('getsockname', {
  arguments: ['i32', 'pointer', 'pointer'],
  return: 'i32',
});
const setsockopt = nativeFunction('setsockopt', {
  arguments: ['i32', 'i32', 'i32', 'pointer', 'u32'],
  return: 'i32',
});

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_CLOEXEC = 0x8_0000;
const KINDS = { tcp: 1, udp: 2, sctp: 1 } as const;
const PROTOCOLS = { tcp: 0, udp: 0, sctp: 132 } as const;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const PORT_OFFSET = 2;

/** One port of one address of the host. */
export interface HostPort {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** The bytes of the address: 4 or 16. */
  readonly address: Buffer;
  /** 0: any that is free. */
  readonly port: number;
}

/** A port that is ours until this is disposed, or the process ends. */
export interface PortReservation extends Disposable {
  readonly port: number;
}

/**
 * Takes a port. A host that has no IPv6 is asked for IPv6 in vain (`EAFNOSUPPORT`).
 *
 * @throws SystemCallError; `EADDRINUSE` when somebody has it, `EADDRNOTAVAIL` when the host does not
 *   have the address
 */
export function reservePort({ protocol, address, port }: HostPort): PortReservation {
  const where = `for port ${port}/${protocol}`;
  const isIPv6 = address.length === 16;
  const family = isIPv6 ? AF_INET6 : AF_INET;
  const fd = socket()(family, KINDS[protocol] | SOCK_CLOEXEC, PROTOCOLS[protocol]);
  if (fd < 0) throwLastError('socket', where);
  try {
    const yes = Buffer.from([1, 0, 0, 0]);
    if (isIPv6 && setsockopt()(fd, IPPROTO_IPV6, IPV6_V6ONLY, yes, yes.length) !== 0) {
      throwLastError('setsockopt', where);
    }
    const name = socketAddress(family, address, port);
    if (bind()(fd, name, name.length) !== 0) throwLastError('bind', where);
    const length = Buffer.from([name.length, 0, 0, 0]);
    if (getsockname()(fd, name, length) !== 0) throwLastError('getsockname', where);
    return { port: name.readUInt16BE(PORT_OFFSET), [Symbol.dispose]: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** struct sockaddr_in, or sockaddr_in6, whose address comes after a flow label. */
function socketAddress(family: number, address: Buffer, port: number): Buffer {
  const name = Buffer.alloc(family === AF_INET ? 16 : 28);
  name.writeUInt16LE(family, 0);
  name.writeUInt16BE(port, PORT_OFFSET);
  address.copy(name, family === AF_INET ? 4 : 8);
  return name;
}
