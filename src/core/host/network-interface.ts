/** Network interfaces of the namespace that we are in, by ioctl (netdevice(7)). */
import { closeSync } from 'node:fs';
import { nativeFunction } from './ffi.ts';
import { isErrno, throwLastError } from './libc.ts';

const socket = nativeFunction('socket', { arguments: ['i32', 'i32', 'i32'], return: 'i32' });
const ioctl = nativeFunction('ioctl', { arguments: ['i32', 'u64', 'pointer'], return: 'i32' });

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0x8_0000;
const SIOCGIFFLAGS = 0x8913n;
const SIOCSIFFLAGS = 0x8914n;
const SIOCBRDELBR = 0x89a1n;
const IFF_UP = 1;
const NAME_BYTES = 16;
// struct ifreq.
const REQUEST_BYTES = 40;

const LONGEST_INTERFACE_NAME = NAME_BYTES - 1;

/** Brings an interface up. @throws SystemCallError */
export function setInterfaceUp(name: string): void {
  withSocket((fd) => changeFlags(fd, name, (flags) => flags | IFF_UP));
}

/** Removes a bridge, whatever is plugged into it; false when there is none. @throws SystemCallError */
export function removeBridge(name: string): boolean {
  return withSocket((fd) => {
    try {
      changeFlags(fd, name, (flags) => flags & ~IFF_UP);
    } catch (error) {
      if (isErrno(error, 'ENODEV')) return false;
      throw error;
    }
    if (ioctl()(fd, SIOCBRDELBR, nameBytes(name, NAME_BYTES)) !== 0) {
      throwLastError('ioctl SIOCBRDELBR', `for the bridge ${name}`);
    }
    return true;
  });
}

function changeFlags(fd: number, name: string, change: (flags: number) => number): void {
  const request = nameBytes(name, REQUEST_BYTES);
  const where = `for the interface ${name}`;
  if (ioctl()(fd, SIOCGIFFLAGS, request) !== 0) throwLastError('ioctl SIOCGIFFLAGS', where);
  request.writeUInt16LE(change(request.readUInt16LE(NAME_BYTES)), NAME_BYTES);
  if (ioctl()(fd, SIOCSIFFLAGS, request) !== 0) throwLastError('ioctl SIOCSIFFLAGS', where);
}

function nameBytes(name: string, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.write(name, 0, LONGEST_INTERFACE_NAME, 'latin1');
  return bytes;
}

function withSocket<T>(use: (fd: number) => T): T {
  const fd = socket()(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throwLastError('socket', 'while looking at interfaces');
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}
