/**
 * Capability sets of a container (capabilities(7)).
 *
 * The defaults are the eleven that podman gives. Inheritable and ambient stay empty, so that a
 * program run by another user than root never finds a capability that its file does not carry.
 */
import { ALL_CAPABILITIES, KNOWN_CAPABILITIES } from '../oci/capability-names.ts';
import type { RuntimeCapabilities } from '../oci/runtime-spec.ts';

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
