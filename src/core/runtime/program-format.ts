/**
 * What the kernel would make of a file that it is told to execute, from its first bytes: a script
 * (`#!`), an ELF program (elf(5)), or nothing that it knows.
 */

/** As much of a file as has to be read. */
export const PROGRAM_START_BYTES = 4096;

/** The format of a program. `interpreter` is a path that must exist for it to run. */
export type ProgramFormat =
  | { readonly kind: 'script'; readonly interpreter: string }
  | { readonly kind: 'elf'; readonly machine: number; readonly interpreter: string | undefined }
  | { readonly kind: 'unknown' };

const ELF_MAGIC = Buffer.from('\x7fELF', 'latin1');
const LITTLE_ENDIAN = 1;
const CLASS_64 = 2;
const PT_INTERP = 3;
const SMALLEST_HEADER = 64;

/** Machines of ELF files (`e_machine`) that a processor runs, by the image-spec's names. */
const MACHINES: ReadonlyMap<string, readonly number[]> = new Map([
  ['amd64', [62, 3]],
  ['386', [3]],
  ['arm64', [183, 40]],
  ['arm', [40]],
  ['ppc64le', [21]],
  ['riscv64', [243]],
  ['s390x', [22]],
]);

/** Whether an ELF file for `machine` is at home on `architecture`; true for one we do not know. */
export function isNativeMachine(machine: number, architecture: string): boolean {
  return MACHINES.get(architecture)?.includes(machine) ?? true;
}

/** Looks at the first `PROGRAM_START_BYTES` bytes of a file, or all of a shorter one. */
export function programFormat(start: Buffer): ProgramFormat {
  if (start.subarray(0, 2).toString('latin1') === '#!') {
    const line = start.subarray(2, 256).toString('utf8').split('\n')[0] ?? '';
    const interpreter = line.trim().split(/[ \t]/)[0] ?? '';
    return interpreter === '' ? { kind: 'unknown' } : { kind: 'script', interpreter };
  }
  if (start.subarray(0, 4).equals(ELF_MAGIC) && start.length >= SMALLEST_HEADER) {
    return elfFormat(start);
  }
  return { kind: 'unknown' };
}

function elfFormat(start: Buffer): ProgramFormat {
  const read = fieldReader(start);
  const is64 = start[4] === CLASS_64;
  const tableOffset = is64 ? read(32, 8) : read(28, 4);
  const entrySize = read(is64 ? 54 : 42, 2);
  const entries = read(is64 ? 56 : 44, 2);
  const machine = read(18, 2);
  for (let index = 0; index < entries; index += 1) {
    const entry = tableOffset + index * entrySize;
    if (read(entry, 4) === PT_INTERP) {
      const offset = read(entry + (is64 ? 8 : 4), is64 ? 8 : 4);
      const size = read(entry + (is64 ? 32 : 16), is64 ? 8 : 4);
      const text = start
        .subarray(offset, offset + size)
        .toString('utf8')
        .split('\0')[0];
      return { kind: 'elf', machine, interpreter: text || undefined };
    }
  }
  return { kind: 'elf', machine, interpreter: undefined };
}

/** Reads unsigned fields in the file's byte order; 0 for what lies outside. */
function fieldReader(start: Buffer): (offset: number, size: 2 | 4 | 8) => number {
  const isLittle = start[5] === LITTLE_ENDIAN;
  return (offset, size) => {
    if (!(offset >= 0 && offset + size <= start.length)) {
      return 0;
    }
    if (size === 8) {
      return Number(isLittle ? start.readBigUInt64LE(offset) : start.readBigUInt64BE(offset));
    }
    return isLittle ? start.readUIntLE(offset, size) : start.readUIntBE(offset, size);
  };
}
