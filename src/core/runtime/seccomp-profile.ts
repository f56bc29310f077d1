/**
 * dray's own seccomp profile: an allow list for the native architecture.
 *
 * Only one architecture, for two reasons. A filter for x86-64, x86 and x32 costs 18 ms to compile
 * at every start, for x86-64 alone 5 ms. And the other two are ways around the filter: the 32-bit
 * `socketcall` hides the arguments of `socket` in memory, where a filter cannot look. A 32-bit image
 * gets its architecture, and then `socketcall` answers that it does not exist.
 *
 * A refused call answers EPERM. Calls newer than the newest one in the filter answer ENOSYS, which
 * runc adds by itself, so that C libraries fall back to older calls.
 */
import { EngineError } from '../errors.ts';
import type { SeccompArgument, SeccompFilter, SeccompRule } from '../oci/runtime-spec.ts';
import { ALLOWED_CALLS, CALLS_BY_CAPABILITY, COMPATIBLE_CALLS } from './seccomp-calls.ts';

const EPERM = 1;
const ENOSYS = 38;

/** Every CLONE_NEW* flag that `clone` takes. */
const NAMESPACE_FLAGS = 0x7e02_0000;

/** AF_ALG is the kernel's crypto, with a record of root exploits; AF_VSOCK reaches the hypervisor. */
const AF_ALG = 38;
const FAMILIES_ABOVE_AF_ALG = [39, 41, 42, 43, 44, 45];

/** Execution domains that only change how a program is told about the machine. */
const HARMLESS_PERSONALITIES = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

interface Architecture {
  readonly native: string;
  readonly compatible?: string;
}

const ARCHITECTURES: ReadonlyMap<string, Architecture> = new Map([
  ['amd64', { native: 'SCMP_ARCH_X86_64', compatible: 'SCMP_ARCH_X86' }],
  ['386', { native: 'SCMP_ARCH_X86' }],
  ['arm64', { native: 'SCMP_ARCH_AARCH64', compatible: 'SCMP_ARCH_ARM' }],
  ['arm', { native: 'SCMP_ARCH_ARM' }],
  ['ppc64le', { native: 'SCMP_ARCH_PPC64LE' }],
  ['riscv64', { native: 'SCMP_ARCH_RISCV64' }],
  ['s390x', { native: 'SCMP_ARCH_S390X' }],
]);

const THIRTY_TWO_BIT: ReadonlySet<string> = new Set(['386', 'arm']);

/** What the profile depends on. Architectures have the image-spec's names, such as `amd64`. */
export interface SeccompFacts {
  readonly hostArchitecture: string;
  readonly imageArchitecture: string;
  /** The bounding set of the container. */
  readonly capabilities: readonly string[];
}

/**
 * The filter for a container. It is a pure function of the facts.
 *
 * @throws EngineError `HOST_UNSUPPORTED` for a processor that the profile has no rules for
 */
export function defaultSeccompFilter(facts: SeccompFacts): SeccompFilter {
  const architecture = ARCHITECTURES.get(facts.hostArchitecture);
  if (architecture === undefined) {
    throw new EngineError(
      'HOST_UNSUPPORTED',
      `There is no seccomp profile for the architecture "${facts.hostArchitecture}".`,
      { hint: 'Run without a filter: --security-opt seccomp=unconfined' },
    );
  }
  const is32Bit = THIRTY_TWO_BIT.has(facts.imageArchitecture);
  const architectures = [architecture.native];
  if (is32Bit && architecture.compatible !== undefined) {
    architectures.push(architecture.compatible);
  }
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: EPERM,
    architectures,
    syscalls: rules(facts, is32Bit),
  };
}

function rules(facts: SeccompFacts, is32Bit: boolean): SeccompRule[] {
  const allowed = new Set(is32Bit ? [...ALLOWED_CALLS, ...COMPATIBLE_CALLS] : ALLOWED_CALLS);
  for (const capability of facts.capabilities) {
    for (const name of CALLS_BY_CAPABILITY.get(capability) ?? []) {
      allowed.add(name);
    }
  }
  const conditional = [...socketRules(), ...personalityRules()];
  if (facts.capabilities.includes('CAP_SYS_ADMIN')) {
    allowed.add('clone');
  } else {
    conditional.push(cloneRule(facts.hostArchitecture), absent('clone3'));
  }
  if (is32Bit) {
    conditional.push(absent('socketcall'));
  }
  return [allow([...allowed]), ...conditional];
}

/**
 * Arguments are compared as 64 bits but the kernel reads the family as 32, so "not 38" would let
 * 0x1_0000_0026 through. Only comparisons that fail for set upper bits are used.
 */
function socketRules(): SeccompRule[] {
  return [
    allow(['socket'], { index: 0, value: AF_ALG, op: 'SCMP_CMP_LT' }),
    ...FAMILIES_ABOVE_AF_ALG.map((family) =>
      allow(['socket'], { index: 0, value: family, op: 'SCMP_CMP_EQ' }),
    ),
  ];
}

function personalityRules(): SeccompRule[] {
  return HARMLESS_PERSONALITIES.map((value) =>
    allow(['personality'], { index: 0, value, op: 'SCMP_CMP_EQ' }),
  );
}

/** Threads and processes yes, new namespaces no. On s390x the flags are the second argument. */
function cloneRule(architecture: string): SeccompRule {
  const index = architecture === 's390x' ? 1 : 0;
  const op = 'SCMP_CMP_MASKED_EQ';
  return allow(['clone'], { index, value: NAMESPACE_FLAGS, valueTwo: 0, op });
}

/** `clone3` passes its flags in memory; told that it is absent, C libraries use `clone`. */
function absent(name: string): SeccompRule {
  return { names: [name], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS };
}

function allow(names: readonly string[], ...args: readonly SeccompArgument[]): SeccompRule {
  return { names, action: 'SCMP_ACT_ALLOW', ...(args.length > 0 ? { args } : {}) };
}
