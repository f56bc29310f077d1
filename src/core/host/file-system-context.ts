/**
 * The kernel's newer mount calls: configure a file system, create it, and attach it or not.
 *
 * Against mount(2) they give one call for each option (no page to overflow, no separators to
 * escape), a reason in words when something fails, and a mounted file system that nobody else can
 * see until it is moved to a place, or ever.
 */
import { closeSync, readSync } from 'node:fs';
import { quote } from '../errors.ts';
import { AT_FDCWD, cString, quotePath, SystemCallError, throwLastError } from './libc.ts';
import {
  type CallArgument,
  SYS_FSCONFIG,
  SYS_FSMOUNT,
  SYS_FSOPEN,
  SYS_MOVE_MOUNT,
  systemCall,
} from './system-call.ts';

const FSOPEN_CLOEXEC = 1;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const FSMOUNT_CLOEXEC = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 4;

/** Attributes of a mount, for `fsmount`; the same bits as the kernel's. */
export const MountAttribute = { readOnly: 0x1, noSuid: 0x2, noDev: 0x4 } as const;

/** The longest value that one option can have, in bytes. */
export const LONGEST_OPTION = 255;

/** One option: a name with a value, or a name alone. */
export type MountOption = readonly [name: string, value?: string | undefined];

/** A file system that is created and mounted nowhere yet; disposing it lets it go. */
export interface DetachedMount extends Disposable {
  /** Its root directory, to look inside or to attach. */
  readonly fd: number;
}

/**
 * Creates a file system of `type` and a mount of it that is attached nowhere. A missing driver is
 * loaded by the kernel; `ENODEV` if there is none.
 *
 * @throws SystemCallError, with the kernel's own words in its message if it gave any.
 */
export function createDetachedMount(
  type: string,
  options: readonly MountOption[],
  attributes: number,
): DetachedMount {
  const context = openContext(type);
  try {
    for (const [name, value] of options) {
      setOption(context, type, [name, value]);
    }
    configure(context, describe(type, options), [FSCONFIG_CMD_CREATE, null, null, 0]);
    const fd = systemCall(SYS_FSMOUNT, context, FSMOUNT_CLOEXEC, attributes);
    if (fd < 0) {
      throwLastError('fsmount', `on the ${type} file system`);
    }
    return { fd, [Symbol.dispose]: () => closeSync(fd) };
  } finally {
    closeSync(context);
  }
}

/** Whether the kernel has a driver for `type` or can load one. False also without the right to ask. */
export function canOpenFileSystem(type: string): boolean {
  const context = systemCall(SYS_FSOPEN, cString(type), FSOPEN_CLOEXEC);
  if (context < 0) {
    return false;
  }
  closeSync(context);
  return true;
}

/** Attaches a detached mount at the directory `target`, in our mount namespace. */
export function attachMount(mount: DetachedMount, target: string): void {
  const empty = Buffer.alloc(1);
  const where = cString(target);
  const flags = MOVE_MOUNT_F_EMPTY_PATH;
  if (systemCall(SYS_MOVE_MOUNT, mount.fd, empty, AT_FDCWD, where, flags) !== 0) {
    throwLastError('move_mount', `on ${quotePath(target)}`);
  }
}

function openContext(type: string): number {
  const context = systemCall(SYS_FSOPEN, cString(type), FSOPEN_CLOEXEC);
  return context >= 0 ? context : throwLastError('fsopen', `for the ${type} file system`);
}

function describe(type: string, options: readonly MountOption[]): string {
  const source = options.find(([name]) => name === 'source')?.[1] ?? type;
  return source === type ? `${type} file system` : `${type} file system of ${quote(source)}`;
}

function setOption(context: number, type: string, [name, value]: MountOption): void {
  const what = `${type} option ${name}`;
  if (value === undefined) {
    configure(context, what, [FSCONFIG_SET_FLAG, cString(name), null, 0]);
  } else {
    const args = [FSCONFIG_SET_STRING, cString(name), cString(value), 0];
    configure(context, `${what} ${quote(value)}`, args);
  }
}

function configure(context: number, what: string, args: readonly CallArgument[]): void {
  if (systemCall(SYS_FSCONFIG, context, ...args) === 0) {
    return;
  }
  try {
    throwLastError('fsconfig', `for the ${what}`);
  } catch (error) {
    throw withKernelWords(error, context, `for the ${what}`);
  }
}

function withKernelWords(error: unknown, context: number, where: string): unknown {
  const words = readMessages(context);
  return error instanceof SystemCallError && words !== ''
    ? new SystemCallError(error, `${where}, and the kernel says ${quote(words)}`)
    : error;
}

// Each read gives one message, such as "e overlay: No changes allowed in reconfigure".
function readMessages(context: number): string {
  const messages: string[] = [];
  const bytes = Buffer.alloc(1024);
  for (;;) {
    try {
      const length = readSync(context, bytes);
      messages.push(bytes.toString('utf8', 2, length).trim());
    } catch {
      // There are no more messages, and none is needed: the errno is known already.
      return messages.join('; ');
    }
  }
}
