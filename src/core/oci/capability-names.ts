/** The names of Linux capabilities (capabilities(7)), as the runtime-spec writes them. */
import { EngineError, quote } from '../errors.ts';

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
