/**
 * Who a container's process is: USER of the image or `--user`, looked up in the image's own
 * /etc/passwd and /etc/group (image-spec `config.md`, property `User`).
 *
 * Both files are read inside the root, never through a link out of it, and only parsed: nothing of
 * the image is run. Numbers outside 0 to 2^31-1 are refused everywhere, since a wrap-around would
 * make them root.
 */
import { EngineError, quote } from '../errors.ts';
import { type RootHandle, readFileInRoot } from '../host/resolve-in-root.ts';

/** A user with all groups, as numbers. */
export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  /** The primary group first, so that a process cannot drop what a file's "others" forbid. */
  readonly additionalGids: readonly number[];
  /** Home directory; `/` when the image has no entry for the user. */
  readonly home: string;
}

const LARGEST_ID = 2 ** 31 - 1;
/** Longer account files are refused, not cut: a cut would change who somebody is. */
const LARGEST_FILE_BYTES = 4 * 1024 * 1024;

interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/**
 * Resolves `USER[:GROUP]`; empty is root. A name must be in the image; a number need not be, and
 * then has group 0. A group given here replaces the user's further groups. `groupAdd` adds to them.
 *
 * @throws EngineError `USAGE_INVALID` for a name that the image does not have or a number out of
 * range; `IMAGE_INVALID` when an account file is too large
 */
export function resolveUser(
  root: RootHandle,
  specification: string,
  groupAdd: readonly string[],
): ResolvedUser {
  const separator = specification.indexOf(':');
  const userPart = separator < 0 ? specification : specification.slice(0, separator);
  const groupPart = separator < 0 ? '' : specification.slice(separator + 1);
  const account = findAccount(root, userPart, specification);
  const groups = readGroups(root);
  const gid = groupPart === '' ? account.gid : findGroup(groups, groupPart);
  const memberOf =
    groupPart === '' && account.name !== ''
      ? groups.filter((group) => group.members.includes(account.name)).map((group) => group.gid)
      : [];
  const added = groupAdd.map((group) => findGroup(groups, group));
  return {
    uid: account.uid,
    gid,
    additionalGids: [...new Set([gid, ...memberOf, ...added])],
    home: account.home,
  };
}

function findAccount(root: RootHandle, wanted: string, specification: string): Account {
  const number = wanted === '' ? 0 : parseId(wanted, `user in ${quote(specification)}`);
  const account = readAccounts(root).find(
    ({ name, uid }) => name === wanted || (number !== undefined && uid === number),
  );
  if (account !== undefined) {
    return account;
  }
  if (number !== undefined) {
    return { name: '', uid: number, gid: 0, home: '/' };
  }
  throw new EngineError(
    'USAGE_INVALID',
    `The image has no user ${quote(wanted)} in its /etc/passwd.`,
    { hint: 'Give a number, or a user that the image has: --user 1000' },
  );
}

function findGroup(groups: readonly Group[], wanted: string): number {
  const number = parseId(wanted, 'group');
  const group = groups.find(({ name, gid }) => name === wanted || gid === number);
  const gid = group?.gid ?? number;
  if (gid === undefined) {
    throw new EngineError(
      'USAGE_INVALID',
      `The image has no group ${quote(wanted)} in its /etc/group.`,
      { hint: 'Give a number, or a group that the image has.' },
    );
  }
  return gid;
}

/** A number in range, or undefined for a name. What looks like a number but is none is refused. */
function parseId(text: string, what: string): number | undefined {
  if (/^[+-]?\d/.test(text) && !/^\d+[A-Za-z_.-]/.test(text)) {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value <= LARGEST_ID)) {
      throw new EngineError(
        'USAGE_INVALID',
        `The ${what} is ${quote(text)}; a number must be between 0 and ${LARGEST_ID}.`,
      );
    }
    return value;
  }
  return undefined;
}

function readAccounts(root: RootHandle): Account[] {
  return readRecords(root, '/etc/passwd').flatMap((fields) => {
    const uid = fieldId(fields[2]);
    const gid = fieldId(fields[3]);
    const name = fields[0] ?? '';
    const home = fields[5]?.startsWith('/') ? fields[5] : '/';
    return name === '' || uid === undefined || gid === undefined ? [] : [{ name, uid, gid, home }];
  });
}

function readGroups(root: RootHandle): Group[] {
  return readRecords(root, '/etc/group').flatMap((fields) => {
    const gid = fieldId(fields[2]);
    const name = fields[0] ?? '';
    const members = (fields[3] ?? '').split(',').filter((member) => member !== '');
    return name === '' || gid === undefined ? [] : [{ name, gid, members }];
  });
}

/** A line whose numbers are out of range is passed over, so its name counts as missing. */
function fieldId(field: string | undefined): number | undefined {
  const isNumber = field !== undefined && /^\d{1,10}$/.test(field) && Number(field) <= LARGEST_ID;
  return isNumber ? Number(field) : undefined;
}

function readRecords(root: RootHandle, path: string): string[][] {
  const bytes = readFileInRoot(root, path, LARGEST_FILE_BYTES);
  return (bytes?.toString('utf8') ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'));
}
