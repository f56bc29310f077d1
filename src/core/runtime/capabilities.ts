/**
 * Capability sets of a container (capabilities(7)).
 *
 * The defaults are the eleven that podman gives. Inheritable and ambient stay empty, so that a
 * program run by another user than root never finds a capability that its file does not carry.
 */
import { EngineError, quote } from '../errors.ts';
import type { RuntimeCapabilities } from '../oci/runtime-spec.ts';

/** Every capability that this engine knows, by its number in the kernel. */
export const KNOWN_CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
];

/** What a container gets when nothing is said. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_NET_BIND_SERVICE',
  'CAP_SETFCAP',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_SETUID',
  'CAP_SYS_CHROOT',
];

/** Stands for every capability in a request. */
export const ALL_CAPABILITIES = 'ALL';

/**
 * Parses a capability as docker takes it: any case, with or without `CAP_`, or `ALL`.
 *
 * @throws EngineError `USAGE_INVALID` when the kernel has none of that name
 */
export function parseCapability(text: string): string {
  const upper = text.toUpperCase();
  if (upper === ALL_CAPABILITIES) {
    return ALL_CAPABILITIES;
  }
  const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  if (!KNOWN_CAPABILITIES.includes(name)) {
    throw new EngineError('USAGE_INVALID', `There is no capability ${quote(text)}.`, {
      hint: 'See capabilities(7) for the names, such as NET_ADMIN.',
    });
  }
  return name;
}

/** What was asked for, in the form of `parseCapability`. */
export interface CapabilityRequest {
  readonly added: readonly string[];
  readonly dropped: readonly string[];
  readonly privileged: boolean;
}

/** What a container may hold, and what was asked for by name but cannot be given. */
export interface CapabilityChoice {
  /** In the order of `KNOWN_CAPABILITIES`. */
  readonly granted: readonly string[];
  readonly missing: readonly string[];
}

/**
 * Chooses the bounding set. A capability that this process does not hold is never asked for, since
 * the runtime would refuse to start; it is reported only if the user named it. What is both added
 * and dropped is dropped, except that a name beats `ALL`.
 */
export function chooseCapabilities(
  request: CapabilityRequest,
  held: ReadonlySet<string>,
): CapabilityChoice {
  const wanted = new Set(wantedCapabilities(request));
  const missing = request.added.filter((name) => name !== ALL_CAPABILITIES && !held.has(name));
  return {
    granted: KNOWN_CAPABILITIES.filter((name) => wanted.has(name) && held.has(name)),
    missing: [...new Set(missing)],
  };
}

function wantedCapabilities({ added, dropped, privileged }: CapabilityRequest): string[] {
  const everything = privileged || added.includes(ALL_CAPABILITIES);
  const isDropped = new Set(dropped);
  if (isDropped.has(ALL_CAPABILITIES)) {
    return added.includes(ALL_CAPABILITIES)
      ? KNOWN_CAPABILITIES.filter((name) => !isDropped.has(name))
      : added.filter((name) => !isDropped.has(name));
  }
  const base = everything ? KNOWN_CAPABILITIES : [...DEFAULT_CAPABILITIES, ...added];
  return base.filter((name) => !isDropped.has(name));
}

/**
 * The five sets of the runtime config. A user other than root starts with nothing effective, as the
 * kernel would have it after an exec; the bounding set still allows a file capability or setuid.
 */
export function capabilitySets(granted: readonly string[], uid: number): RuntimeCapabilities {
  const active = uid === 0 ? granted : [];
  return { bounding: granted, effective: active, permitted: active, inheritable: [], ambient: [] };
}
