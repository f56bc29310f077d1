import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ContainerStore } from '../../../src/core/container/container-store.ts';
import {
  type EnterHooks,
  type EnterOptions,
  enterContainer,
} from '../../../src/core/operations/enter-container.ts';
import { busyboxImage } from '../../support/busybox-image.ts';
import { engineError } from '../../support/engine-errors.ts';
import { type TempEngine, tempEngine } from '../../support/temp-engine.ts';
import { cannotMakeTerminal, cannotRunContainers } from '../runtime/container-fixture.ts';
import {
  Entering,
  enterShell,
  LiveContainer,
  processesWith,
  runKept,
  storeImage,
} from './live-container.ts';

const RUNC = ['/usr/sbin/runc', '/usr/bin/runc', '/usr/local/sbin/runc'].find((path) => {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
});

/** Looks until `look` gives something; the time limit of the test ends it. */
async function eventually<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await delay(10);
  }
}

/** The `runc exec` processes of a container. */
function runcExecsOf(id: string): string[] {
  return processesWith(id).filter((line) => / exec .*--process /.test(line));
}

const detached: EnterOptions & EnterHooks = {
  command: ['/bin/true'],
  environment: [],
  tty: false,
  privileged: false,
  interactive: false,
  detach: true,
  signals: { subscribe: () => ({ [Symbol.dispose]: () => {} }) },
};

describe('enterContainer', { skip: cannotRunContainers, timeout: 120_000 }, () => {
  let temp: TempEngine;
  let live: LiveContainer;

  before(async () => {
    temp = tempEngine();
    await storeImage(temp, 'busybox', busyboxImage());
    live = await LiveContainer.start(temp, {
      name: 'c',
      command: [
        '/bin/sh',
        '-c',
        'ln -s /proc/self/fd/7 /evil; mkdir /evil-not; echo garbage > /tmp/garbage; echo "#!/nope" > /tmp/script; chmod 755 /tmp/garbage /tmp/script; touch /tmp/ready; while :; do sleep 1; done',
      ],
      environment: [{ name: 'OWN', value: 'its own' }],
      noNewPrivileges: true,
      capabilitiesDropped: ['CAP_CHOWN'],
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: 200n, hard: 300n }],
    });
    const ready = join(live.listing()?.directory ?? '', 'upper/tmp/ready');
    await eventually(() => existsSync(ready) || undefined);
  });

  after(async () => {
    await live[Symbol.asyncDispose]();
    temp[Symbol.dispose]();
  });

  const shell = (script: string, over: Parameters<typeof enterShell>[3] = {}) =>
    enterShell(temp, 'c', script, over);

  it('ends with the status of the process, or 128+n, and has no input without --interactive', async () => {
    assert.equal((await shell('exit 7')).status, 7);
    const killed = await shell('wc -c; kill -9 $$', {
      stdin: Buffer.from('not for it'),
      interactive: false,
    });
    assert.deepEqual([killed.status, killed.stdout.toString().trim()], [137, '0']);
  });

  it('hands on exact bytes and their end', async () => {
    const bytes = randomBytes(6 * 1024 * 1024);
    const { stdout, status } = await shell('cat; echo end >&2', { stdin: bytes });
    assert.equal(status, 0);
    const digest = (data: Buffer) => createHash('sha256').update(data).digest('hex');
    assert.equal(digest(stdout), digest(bytes));
  });

  it('has the rights, namespaces and control groups of the process of the container', async () => {
    const facts = (pid: string) =>
      `grep -hE "^(Cap|NoNewPrivs|Seccomp|Groups|Uid)" /proc/${pid}/status; for i in /proc/${pid}/ns/*; do readlink $i; done`;
    const { stdout } = await shell(`${facts('1')}; echo; ${facts('$$')}; ulimit -Hn; umask`);
    const [own = '', ours = ''] = stdout.toString().split('\n\n');
    assert.ok(own.includes('NoNewPrivs:\t1') && own.includes('Seccomp:\t2'));
    assert.match(own, /mnt:\[\d+\]/);
    // Its hard limit is the same; runc 1.1 raises the soft one to it.
    assert.equal(ours, `${own}\n300\n0022\n`);
    assert.match(ours, /CapInh:\t0{16}/);
  });

  it('takes environment, directory and user', async () => {
    const script = 'echo $OWN-$NEW-$HOSTNAME-$HOME; pwd; id -u; id -g; id -G';
    const plain = (await shell(script)).stdout.toString().split('\n');
    assert.match(plain[0] ?? '', /^its own--[0-9a-f]{12}-\/root$/);
    assert.deepEqual(plain.slice(1), ['/', '0', '0', '0', '']);
    const { stdout } = await shell(script, {
      user: 'app',
      workingDirectory: '/tmp',
      environment: [
        { name: 'NEW', value: 'x=y' },
        { name: 'OWN', value: undefined },
        { name: 'HOSTNAME', value: 'h' },
      ],
    });
    assert.deepEqual(stdout.toString().split('\n').slice(0, 3), ['-x=y-h-/', '/tmp', '1000']);
    assert.match(stdout.toString(), /\n1000\n(1000 29|29 1000)\n$/);
  });

  /** In this process, which works for what never runs, and for what is detached. */
  const enterHere = (over: Partial<EnterOptions>, container = 'c') =>
    enterContainer(temp.engine, container, { ...detached, ...over });

  for (const [name, over, code] of [
    ['an unknown user', { user: 'nobody-here' }, 'USAGE_INVALID'],
    ['a user that would wrap to root', { user: '4294967296' }, 'USAGE_INVALID'],
    ['a directory that is missing', { workingDirectory: '/nowhere' }, 'USAGE_INVALID'],
    ['a relative directory', { workingDirectory: 'tmp' }, 'USAGE_INVALID'],
    ['a directory that is a file', { workingDirectory: '/etc/passwd' }, 'USAGE_INVALID'],
    ['a descriptor of runc', { workingDirectory: '/proc/self/fd/7' }, 'USAGE_INVALID'],
    ['a descriptor of runc by a link', { workingDirectory: '/evil' }, 'USAGE_INVALID'],
    ['a working directory of another', { workingDirectory: '/proc/1/cwd' }, 'USAGE_INVALID'],
    ['a NUL in an argument', { command: ['echo', 'a\0b'] }, 'USAGE_INVALID'],
    ['no name of a command', { command: [''] }, 'COMMAND_NOT_FOUND'],
    ['a command that is missing', { command: ['nope'] }, 'COMMAND_NOT_FOUND'],
    ['a path that is missing', { command: ['/bin/nope'] }, 'COMMAND_NOT_FOUND'],
    ['a directory as command', { command: ['/bin'] }, 'COMMAND_NOT_EXECUTABLE'],
    ['a file without permission', { command: ['/etc/passwd'] }, 'COMMAND_NOT_EXECUTABLE'],
    ['a file that is no program', { command: ['/tmp/garbage'] }, 'COMMAND_NOT_EXECUTABLE'],
    ['a script without its interpreter', { command: ['/tmp/script'] }, 'COMMAND_NOT_FOUND'],
  ] as const) {
    it(`refuses ${name}`, async () => {
      await assert.rejects(enterHere(over), engineError(code));
    });
  }

  it('accepts what those refused look like', async () => {
    assert.deepEqual(await enterHere({ workingDirectory: '/evil-not', user: '1000:29' }), {
      status: 0,
    });
  });

  it('reads accounts inside the container, whatever its links say', async () => {
    const link = 'ln -s ../../../../../../../etc/passwd /etc/passwd';
    await shell(`mv /etc/passwd /etc/saved; ${link}`);
    // A user of this machine, which the container does not have.
    await assert.rejects(enterHere({ user: 'daemon' }), engineError('USAGE_INVALID', /no user/));
    await shell('mv -f /etc/saved /etc/passwd');
  });

  it('gives the process no descriptor but its three, and all capabilities if asked', async () => {
    const fds = Array.from({ length: 20 }, () => openSync('/', 'r'));
    const own = /CapPrm:\t(\w+)/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
    try {
      const { stdout } = await shell('ls /proc/self/fd; grep CapEff /proc/self/status', {
        privileged: true,
      });
      // The fourth is the listing's own.
      assert.equal(stdout.toString(), `0\n1\n2\n3\nCapEff:\t${own}\n`);
    } finally {
      for (const fd of fds) closeSync(fd);
    }
  });

  it('leaves a file of somebody else its owner, and fills it all the same', async () => {
    const path = join(temp.directory, 'output');
    const out = openSync(path, 'w', 0o600);
    const words = (argv: string[]) => ['/bin/sh', '-c', `exec "$@" > ${path}`, 'sh', ...argv];
    const { status } = await shell('id -u; cat', {
      user: '1000',
      stdin: Buffer.from('bytes'),
      argv: words,
    });
    closeSync(out);
    assert.equal(status, 0);
    assert.equal(readFileSync(path, 'utf8'), '1000\nbytes');
    assert.equal(statSync(path).uid, 0);
  });

  it('passes signals on', async () => {
    const entering = new Entering(temp, 'c', {
      command: [
        '/bin/sh',
        '-c',
        'trap "echo got; exit 42" TERM; echo ready; while :; do sleep 0.1; done',
      ],
    });
    await new Promise((resolve) => entering.child.stdout?.once('data', resolve));
    entering.child.kill('SIGTERM');
    const { status, stdout } = await entering.ended;
    assert.deepEqual([status, stdout.toString()], [42, 'ready\ngot\n']);
  });

  it('returns at once with --detach, and the process goes on', async () => {
    const command = ['/bin/sh', '-c', 'sleep 0.2; echo later > /tmp/later; sleep 603'];
    assert.deepEqual(await enterHere({ command }), { status: 0 });
    const later = join(live.listing()?.directory ?? '', 'upper/tmp/later');
    await eventually(() => existsSync(later) || undefined);
  });

  it('leaves the process in the container when it is killed, and nothing outside', async () => {
    const entering = new Entering(temp, 'c', {
      command: ['/bin/sh', '-c', 'echo ready; sleep 601'],
    });
    await new Promise((resolve) => entering.child.stdout?.once('data', resolve));
    entering.child.kill('SIGKILL');
    await entering.exited;
    const { stdout } = await shell('ps -o args | grep -c "^sleep 601"');
    assert.equal(stdout.toString(), '1\n');
    const id = live.listing()?.id ?? '';
    await eventually(() => {
      return runcExecsOf(id).length === 0 || undefined;
    });
    const directory = live.listing()?.directory ?? '';
    const remains = readdirSync(directory).filter((name) => name.startsWith('exec-'));
    assert.deepEqual(remains, [], 'the enter after it has removed its files');
  });

  it('ends with the container', async () => {
    await using short = await LiveContainer.start(temp, { name: 'short' });
    const entering = new Entering(temp, 'short', {
      command: ['/bin/sh', '-c', 'echo ready; sleep 600'],
    });
    await new Promise((resolve) => entering.child.stdout?.once('data', resolve));
    await short[Symbol.asyncDispose]();
    assert.equal((await entering.ended).status, 137);
  });

  it('says that the container has ended, when that was just now', async () => {
    await using racing = await LiveContainer.start(temp, { name: 'racing' });
    const pid = Number(readFileSync(join(racing.listing()?.directory ?? '', 'pid'), 'latin1'));
    const runc = join(temp.directory, 'slow-runc');
    writeFileSync(
      runc,
      `#!/bin/sh\nkill -9 ${pid}\nwhile [ -e /proc/${pid}/root/bin ]; do :; done\nexec ${RUNC} "$@"\n`,
    );
    chmodSync(runc, 0o755);
    const engine = { ...temp.engine, settings: { ...temp.engine.settings, runcPath: runc } };
    await assert.rejects(
      enterContainer(engine, 'racing', detached),
      engineError('CONTAINER_WRONG_PHASE', /"racing" has ended/),
    );
  });

  it('refuses a container that does not run', async () => {
    await runKept(temp, { name: 'over', command: ['/bin/true'] });
    await assert.rejects(enterHere({}, 'over'), engineError('CONTAINER_WRONG_PHASE', /is exited/));
    await assert.rejects(enterHere({}, 'missing'), engineError('CONTAINER_NOT_FOUND'));
  });

  it('refuses a container that is paused', async () => {
    const { runDir, dataDir } = temp.engine.settings;
    const { id } = ContainerStore.find(dataDir, 'c');
    const runc = (verb: string) =>
      execFileSync(RUNC ?? '', ['--root', join(runDir, 'runc'), verb, id]);
    runc('pause');
    try {
      await assert.rejects(enterHere({}), engineError('CONTAINER_WRONG_PHASE', /is paused/));
    } finally {
      runc('resume');
    }
  });

  describe('with a terminal', { skip: cannotMakeTerminal }, () => {
    const inTerminal = (argv: string[]): string[] => {
      const words = argv.map((word) => `'${word.replaceAll("'", "'\\''")}'`);
      return [
        '/usr/bin/script',
        '-qefc',
        `stty rows 33 cols 111; exec ${words.join(' ')}`,
        '/dev/null',
      ];
    };

    it('has one, of the right size, and the exit status of the process', async () => {
      const { status, stdout } = await shell('tty; stty size; echo $TERM; exit 5', {
        tty: true,
        stdin: 'pipe',
        argv: inTerminal,
      });
      assert.deepEqual(stdout.toString().split('\r\n'), ['/dev/pts/0', '33 111', 'xterm', '']);
      assert.equal(status, 5);
    });

    it('hangs up when it is killed, and no runc stays', async () => {
      const entering = new Entering(temp, 'c', {
        command: ['/bin/sh', '-c', 'echo ready; sleep 602; echo survived > /tmp/survived'],
        tty: true,
        stdin: 'pipe',
        argv: inTerminal,
      });
      await new Promise((resolve) => entering.child.stdout?.once('data', resolve));
      const id = live.listing()?.id ?? '';
      const supervisor = await eventually(() =>
        processesWith('container-process.ts').find(
          (line) => line.includes('sleep 602') && !line.includes('script'),
        ),
      );
      process.kill(Number.parseInt(supervisor, 10), 'SIGKILL');
      await entering.ended;
      await eventually(async () => {
        return processesWith('sleep 602').length === 0 ? true : undefined;
      });
      const left = runcExecsOf(id);
      assert.deepEqual(left, []);
    });
  });
});
