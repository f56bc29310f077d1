/**
 * Parts of /proc and /sys that a container must not see or not write. Each entry has let a
 * container read the host's memory, keys, addresses or power use, or change the host.
 */

/** Files and directories that are covered. */
export const MASKED_PATHS: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/dev/block',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
  '/sys/fs/selinux',
];

/** Files and directories that stay readable. */
export const READ_ONLY_PATHS: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
  // With v1 this is a file system in memory that holds the controllers' mounts.
  '/sys/fs/cgroup',
];
