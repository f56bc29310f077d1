/** The modes of `-v SOURCE:DESTINATION:MODE,…`: docker's words, and podman's. */
import { quote } from '../../core/errors.ts';
import type { BindPropagation, MountFlag } from '../../core/runtime/run-options.ts';
import { usageError } from './usage-error.ts';

const PROPAGATIONS: ReadonlySet<string> = new Set(['private', 'rprivate', 'slave', 'rslave']);
const FLAGS: ReadonlySet<string> = new Set(['exec', 'noexec', 'suid', 'nosuid', 'dev', 'nodev']);
/** Hints for other systems' file systems and security modules, without meaning here. */
const IGNORED: ReadonlySet<string> = new Set(['z', 'Z', 'consistent', 'cached', 'delegated']);

/** What the words of one mode ask for. */
export interface VolumeMode {
  readonly readOnly: boolean;
  readonly copyUp: boolean;
  readonly recursive: boolean;
  readonly propagation: BindPropagation;
  readonly flags?: readonly MountFlag[];
  readonly chown?: boolean;
}

/**
 * Reads the words of a mode; `text` is the whole flag, for errors.
 *
 * @throws EngineError `USAGE_INVALID` for an unknown word, and for two that exclude each other
 */
export function parseVolumeMode(mode: string | undefined, text: string): VolumeMode {
  const words = mode?.split(',') ?? [];
  const flag = `-v ${quote(text)}`;
  const choose = choosing(words, flag);
  const flags = words.filter(isMountFlag);
  for (const name of ['exec', 'suid', 'dev']) choose([name, `no${name}`]);
  const known = ['ro', 'rw', 'copy', 'nocopy', 'bind', 'rbind', 'U', ...FLAGS, ...IGNORED];
  const propagations = words.filter((word) => !known.includes(word));
  if (propagations.length > 1) choose(propagations);
  return {
    readOnly: choose(['rw', 'ro']) === 'ro',
    copyUp: choose(['copy', 'nocopy']) !== 'nocopy',
    recursive: choose(['rbind', 'bind']) !== 'bind',
    propagation: requirePropagation(propagations[0] ?? 'rprivate', flag),
    ...(flags.length === 0 ? {} : { flags }),
    ...(words.includes('U') ? { chown: true } : {}),
  };
}

/** Finds which of several words is there; more than one of them is an error. */
function choosing(words: readonly string[], flag: string) {
  return (choices: readonly string[]): string | undefined => {
    const [first, other] = new Set(words.filter((word) => choices.includes(word)));
    if (other !== undefined) {
      throw usageError(`${flag}: ${quote(first ?? '')} and ${quote(other)} exclude each other.`);
    }
    return first;
  };
}

function isMountFlag(word: string): word is MountFlag {
  return FLAGS.has(word);
}

/** A propagation that works; `flag` begins the sentence of the error. */
export function requirePropagation(word: string, flag: string): BindPropagation {
  if (word === 'shared' || word === 'rshared') {
    throw usageError(`${flag}: mounts of a container cannot be ${word} with the host.`, {
      hint: 'Use rslave, which lets mounts of the host appear in the container.',
    });
  }
  if (!isPropagation(word)) {
    throw usageError(`${flag}: ${quote(word)} is not a mode.`, {
      hint: 'Modes are ro, rw, nocopy, U, noexec, nosuid, nodev, private, rprivate, slave, rslave.',
    });
  }
  return word;
}

function isPropagation(word: string): word is BindPropagation {
  return PROPAGATIONS.has(word);
}
