/**
 * A seccomp profile from a file, in the runtime-spec's form (`config-linux.md`, `seccomp`) or in
 * docker's, whose rules may depend on architecture, capabilities and kernel (`includes`,
 * `excludes`) and which names architectures through `archMap`.
 */
import { EngineError, quote } from '../errors.ts';
import type { SeccompArgument, SeccompFilter, SeccompRule } from '../oci/runtime-spec.ts';

/** The file, and what the conditions of its rules are compared with. */
export interface SeccompFile {
  readonly text: string;
  /** Names the file in errors. */
  readonly path: string;
  /** The bounding set of the container. */
  readonly capabilities: readonly string[];
  /** Such as `amd64`. */
  readonly architecture: string;
  readonly kernelRelease: string;
}

type JsonObject = Readonly<Record<string, unknown>>;

const DOCKER_ARCHITECTURES: ReadonlyMap<string, string> = new Map([
  ['amd64', 'SCMP_ARCH_X86_64'],
  ['arm64', 'SCMP_ARCH_AARCH64'],
  ['ppc64le', 'SCMP_ARCH_PPC64LE'],
  ['riscv64', 'SCMP_ARCH_RISCV64'],
  ['s390x', 'SCMP_ARCH_S390X'],
]);

/**
 * Parses the file and drops the rules whose conditions do not hold. Nothing is added to what the
 * file says.
 *
 * @throws EngineError `USAGE_INVALID` naming the file and the field
 */
export function parseSeccompFile(file: SeccompFile): SeccompFilter {
  const profile = parseObject(file);
  const flags = strings(profile.flags, 'flags', file);
  const errno = optionalNumber(profile.defaultErrnoRet, 'defaultErrnoRet', file);
  const rules = array(profile.syscalls, 'syscalls', file);
  return {
    defaultAction: requiredString(profile.defaultAction, 'defaultAction', file),
    ...(errno === undefined ? {} : { defaultErrnoRet: errno }),
    architectures: architectures(profile, file),
    ...(flags.length === 0 ? {} : { flags }),
    syscalls: rules.flatMap((rule, index) => parseRule(rule, `syscalls[${index}]`, file)),
  };
}

function parseObject(file: SeccompFile): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(file.text);
  } catch (error) {
    throw new EngineError(
      'USAGE_INVALID',
      `The seccomp profile ${quote(file.path)} is not valid JSON.`,
      { cause: error },
    );
  }
  return object(value, 'the profile', file);
}

function architectures(profile: JsonObject, file: SeccompFile): string[] {
  const listed = strings(profile.architectures, 'architectures', file);
  const native = DOCKER_ARCHITECTURES.get(file.architecture);
  for (const entry of array(profile.archMap, 'archMap', file)) {
    const map = object(entry, 'archMap', file);
    if (map.architecture === native && native !== undefined) {
      listed.push(native, ...strings(map.subArchitectures, 'subArchitectures', file));
    }
  }
  return listed;
}

function parseRule(value: unknown, where: string, file: SeccompFile): SeccompRule[] {
  const rule = object(value, where, file);
  if (!conditionsHold(rule, where, file)) {
    return [];
  }
  const single = rule.name === undefined ? [] : [requiredString(rule.name, where, file)];
  const names = [...strings(rule.names, `${where}.names`, file), ...single];
  const errnoRet = optionalNumber(rule.errnoRet, `${where}.errnoRet`, file);
  const args = array(rule.args, `${where}.args`, file).map((argument) =>
    parseArgument(object(argument, `${where}.args`, file), `${where}.args`, file),
  );
  return [
    {
      names,
      action: requiredString(rule.action, `${where}.action`, file),
      ...(errnoRet === undefined ? {} : { errnoRet }),
      ...(args.length === 0 ? {} : { args }),
    },
  ];
}

function parseArgument(argument: JsonObject, where: string, file: SeccompFile): SeccompArgument {
  const valueTwo = optionalNumber(argument.valueTwo, `${where}.valueTwo`, file);
  return {
    index: optionalNumber(argument.index, `${where}.index`, file) ?? 0,
    value: optionalNumber(argument.value, `${where}.value`, file) ?? 0,
    ...(valueTwo === undefined ? {} : { valueTwo }),
    op: requiredString(argument.op, `${where}.op`, file),
  };
}

/** docker's conditions: all capabilities of `includes`, none of `excludes`; any architecture. */
function conditionsHold(rule: JsonObject, where: string, file: SeccompFile): boolean {
  const includes = object(rule.includes ?? {}, `${where}.includes`, file);
  const excludes = object(rule.excludes ?? {}, `${where}.excludes`, file);
  const held = new Set(file.capabilities);
  const wantedCapabilities = strings(includes.caps, `${where}.includes.caps`, file);
  const refusedCapabilities = strings(excludes.caps, `${where}.excludes.caps`, file);
  const wantedArches = strings(includes.arches, `${where}.includes.arches`, file);
  const refusedArches = strings(excludes.arches, `${where}.excludes.arches`, file);
  const minKernel = includes.minKernel;
  return (
    wantedCapabilities.every((name) => held.has(name)) &&
    !refusedCapabilities.some((name) => held.has(name)) &&
    (wantedArches.length === 0 || wantedArches.includes(file.architecture)) &&
    !refusedArches.includes(file.architecture) &&
    (typeof minKernel !== 'string' || isAtLeast(file.kernelRelease, minKernel))
  );
}

/** Whether a kernel release such as `6.1.0-18-amd64` is at least `major.minor`. */
export function isAtLeast(release: string, wanted: string): boolean {
  const [major = 0, minor = 0] = release.split(/[.-]/).map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split(/[.-]/).map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

function object(value: unknown, where: string, file: SeccompFile): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(where, 'an object', file);
  }
  return value as JsonObject;
}

function array(value: unknown, where: string, file: SeccompFile): readonly unknown[] {
  if (value === undefined || value === null) {
    return [];
  }
  if (!Array.isArray(value)) {
    throw invalid(where, 'an array', file);
  }
  return value;
}

function strings(value: unknown, where: string, file: SeccompFile): string[] {
  return array(value, where, file).map((entry) => requiredString(entry, where, file));
}

function requiredString(value: unknown, where: string, file: SeccompFile): string {
  if (typeof value !== 'string') {
    throw invalid(where, 'a string', file);
  }
  return value;
}

function optionalNumber(value: unknown, where: string, file: SeccompFile): number | undefined {
  if (value === undefined || value === null) {
    return undefined;
  }
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw invalid(where, 'a whole number below 2^53', file);
  }
  return value;
}

function invalid(where: string, expected: string, file: SeccompFile): EngineError {
  return new EngineError(
    'USAGE_INVALID',
    `The seccomp profile ${quote(file.path)} is not valid: ${where} must be ${expected}.`,
  );
}
