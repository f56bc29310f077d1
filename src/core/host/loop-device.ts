/** Loop devices: a file as a block device, for kernels that cannot mount the file itself. */
import { closeSync, constants, openSync } from 'node:fs';
import { EngineError } from '../errors.ts';
import { nativeFunction } from './ffi.ts';
import { isErrno, quotePath, throwLastError, withSystemErrors } from './libc.ts';

const LOOP_CTL_GET_FREE = 0x4c82n;
const LOOP_CONFIGURE = 0x4c0an;

// struct loop_config: descriptor of the file, block size, struct loop_info64 from 8 on, reserve.
const CONFIG_SIZE = 304;
const FLAGS_OFFSET = 8 + 52;
const LO_FLAGS_READ_ONLY = 1;
const LO_FLAGS_AUTOCLEAR = 4;

// Everybody who asks at the same moment is offered the same free device.
const MOST_RACES = 100;

const ioctl = nativeFunction('ioctl', { arguments: ['i32', 'u64', 'pointer'], return: 'i32' });

/** A loop device. It goes when nothing has it open or mounted any more, whatever happens to us. */
export interface LoopDevice extends Disposable {
  /** Such as `/dev/loop0`. */
  readonly path: string;
}

/**
 * Attaches `file` to a free loop device, read-only. Dispose it when it is mounted: the mount then
 * keeps it. The length of the file should be a multiple of 512, as the rest is cut. Needs Linux 5.8.
 *
 * @throws SystemCallError.
 */
export function attachLoopDevice(file: string): LoopDevice {
  const where = `while attaching ${quotePath(file)} to a loop device`;
  const backing = withSystemErrors(where, () => openSync(file, constants.O_RDONLY));
  try {
    return withSystemErrors(where, () => configureFreeDevice(backing, where));
  } finally {
    closeSync(backing);
  }
}

function configureFreeDevice(backing: number, where: string): LoopDevice {
  const config = Buffer.alloc(CONFIG_SIZE);
  config.writeUInt32LE(backing, 0);
  config.writeUInt32LE(LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR, FLAGS_OFFSET);
  const control = openSync('/dev/loop-control', constants.O_RDWR);
  try {
    for (let attempt = 0; attempt < MOST_RACES; attempt++) {
      const device = tryFreeDevice(control, config, where);
      if (device !== undefined) {
        return device;
      }
    }
  } finally {
    closeSync(control);
  }
  throw new EngineError('HOST_CALL_FAILED', `No loop device stayed free ${where}.`);
}

function tryFreeDevice(control: number, config: Buffer, where: string): LoopDevice | undefined {
  const number = ioctl()(control, LOOP_CTL_GET_FREE, null);
  if (number < 0) {
    throwLastError('ioctl LOOP_CTL_GET_FREE', where);
  }
  const path = `/dev/loop${number}`;
  const fd = openSync(path, constants.O_RDONLY);
  try {
    if (ioctl()(fd, LOOP_CONFIGURE, config) !== 0) {
      throwLastError('ioctl LOOP_CONFIGURE', where);
    }
    return { path, [Symbol.dispose]: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    if (isErrno(error, 'EBUSY')) {
      return undefined;
    }
    throw error;
  }
}
