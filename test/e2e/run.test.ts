import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { busyboxImage, busyboxLayer } from '../support/busybox-image.ts';
import { NEEDS_ROOT } from '../support/e2e.ts';
import type { ImageRecipe } from '../support/image-builder.ts';
import { writeLayout } from '../support/layout-writer.ts';
import { CliHome, type CliOptions, type CliResult } from '../support/run-cli.ts';

const IMAGE = 'localhost/busybox';

describe('dray run', NEEDS_ROOT, () => {
  let home: CliHome;

  before(async () => {
    home = new CliHome();
    await fetchBuilt('busybox', {});
  });
  after(() => home[Symbol.asyncDispose]());

  /** Fetches an image made for the test; its name is `localhost/NAME`. */
  async function fetchBuilt(name: string, recipe: ImageRecipe): Promise<string> {
    const layoutDir = writeLayout(join(home.directory, name), [{ image: busyboxImage(recipe) }]);
    await home.succeed(['fetch', '--quiet', `oci:${layoutDir}`]);
    return `localhost/${name}`;
  }

  function run(
    flags: readonly string[],
    command: readonly string[],
    options: CliOptions = {},
  ): Promise<CliResult> {
    return home.run(['run', '--rm', ...flags, IMAGE, ...command], options);
  }

  async function output(flags: readonly string[], command: readonly string[]): Promise<string> {
    const result = await run(flags, command);
    assert.equal(result.status, 0, result.stderr);
    return result.stdout;
  }

  describe('arguments after the image', () => {
    const rows: readonly (readonly string[])[] = [
      ['a', 'b', 'a', 'b', '--help', '--', '-la'],
      ['--rm', '-it', '--name', 'x', '-e', 'A=b'],
      ['--version', '--json', '--root', '/elsewhere', '--debug'],
      ['', ' ', 'with space', "quo'te", 'dou"ble', '$HOME', '*', '\\n'],
      ['new\nline', 'tab\there', 'ünïcödé', '日本', '\x1b[31m'],
      ['--', '--', 'after'],
    ];
    for (const words of rows) {
      it(`reach the container untouched: ${JSON.stringify(words)}`, async () => {
        const printed = await output([], ['printf', '[%s]', ...words]);
        assert.equal(printed, words.map((word) => `[${word}]`).join(''));
      });
    }

    it('are not mistaken for flags when echo gets them', async () => {
      const words = ['a', 'b', 'a', 'b', '--help', '--', '-la'];
      assert.equal(await output([], ['echo', ...words]), 'a b a b --help -- -la\n');
    });

    it('may follow a -- of the user before the image', async () => {
      const result = await home.run(['run', '--rm', '--', IMAGE, 'echo', '--rm']);
      assert.equal(result.stdout, '--rm\n', result.stderr);
    });
  });

  describe('exit status', () => {
    const rows: readonly {
      name: string;
      command: readonly string[];
      status: number;
      flags?: string[];
    }[] = [
      { name: 'zero', command: ['true'], status: 0 },
      { name: "the container's own", command: ['sh', '-c', 'exit 42'], status: 42 },
      { name: '255', command: ['sh', '-c', 'exit 255'], status: 255 },
      {
        name: '128+15 when a signal ends the process',
        command: ['sh', '-c', 'kill -TERM $$'],
        status: 143,
        flags: ['--init'],
      },
      { name: '127 when the command does not exist', command: ['no-such-command'], status: 127 },
      { name: '127 for a path that does not exist', command: ['/no/such/command'], status: 127 },
      { name: '126 for a file that is not executable', command: ['/etc/passwd'], status: 126 },
      { name: '126 for a directory', command: ['/etc'], status: 126 },
      {
        name: '125 for an unknown flag',
        command: ['true'],
        status: 125,
        flags: ['--no-such-flag'],
      },
      { name: '125 for a bad value', command: ['true'], status: 125, flags: ['--memory', 'lots'] },
      {
        name: '125 for a user that does not exist',
        command: ['true'],
        status: 125,
        flags: ['--user', 'nobody-here'],
      },
    ];
    for (const { name, command, status, flags = [] } of rows) {
      it(`is ${name}`, async () => {
        const result = await run(flags, command);
        assert.equal(result.status, status, result.stderr);
        if (status >= 125 && status <= 127) assert.match(result.stderr, /^dray: \S/m);
      });
    }

    it('is 125 when the image does not exist', async () => {
      const result = await home.run([
        'run',
        '--rm',
        '--pull',
        'never',
        'localhost/no-such-image',
        'true',
      ]);
      assert.equal(result.status, 125);
      assert.match(result.stderr, /no-such-image/);
      assert.equal(result.stdout, '');
    });

    it('is 125 without an image', async () => {
      assert.equal((await home.run(['run', '--rm'])).status, 125);
    });
  });

  describe('image config', () => {
    it('gives ENTRYPOINT, CMD, ENV, USER, WORKDIR', async () => {
      const image = await fetchBuilt('configured', {
        config: {
          Entrypoint: ['/bin/sh', '-c', 'echo "$0 $@"; echo "$GREETING"; id -un; id -gn; pwd'],
          Cmd: ['from', 'cmd'],
          Env: ['PATH=/bin', 'GREETING=hello image'],
          User: 'app',
          WorkingDir: '/srv/made/when/missing',
        },
      });
      const expected = (first: string): string =>
        `${first}\nhello image\napp\napp\n/srv/made/when/missing\n`;
      assert.equal(await home.succeed(['run', '--rm', image]), expected('from cmd'));
      assert.equal(await home.succeed(['run', '--rm', image, 'my', 'own']), expected('my own'));
      const shell = ['run', '--rm', '--entrypoint', '/bin/echo', image];
      assert.equal(await home.succeed([...shell, 'only', 'this']), 'only this\n');
      assert.equal(await home.succeed(shell), '\n', 'an entrypoint drops the CMD of the image');
    });

    it('gives an anonymous volume with what the image has there', async () => {
      const image = await fetchBuilt('volume', {
        layers: [
          busyboxLayer([
            { name: 'data', type: 'directory' },
            { name: 'data/seed', content: 'seed' },
          ]),
        ],
        config: { Volumes: { '/data': {} } },
      });
      const command = 'cat /data/seed; echo more > /data/more && echo " written"';
      const flags = [[], ['--read-only']];
      for (const flag of flags) {
        const printed = await home.succeed(['run', '--rm', ...flag, image, 'sh', '-c', command]);
        assert.equal(printed, 'seed written\n', flag.join());
      }
    });
  });

  describe('flags', () => {
    it('-e, --env-file, and a variable of the caller', async () => {
      const file = join(home.directory, 'env');
      writeFileSync(file, '# comment\nFROM_FILE=file value\nBOTH=file\n');
      const command = 'echo "$FROM_FILE|$BOTH|$FROM_CALLER|$(env | grep -c ^UNSET=)"';
      const flags = ['--env-file', file, '-e', 'BOTH=flag', '--env', 'FROM_CALLER', '-e', 'UNSET'];
      const result = await run(flags, ['sh', '-c', command], { env: { FROM_CALLER: 'caller' } });
      assert.equal(result.stdout, 'file value|flag|caller|0\n', result.stderr);
    });

    it('nothing of the caller’s environment gets in unasked', async () => {
      const result = await run([], ['env'], { env: { SECRET_OF_CALLER: 'x' } });
      assert.doesNotMatch(result.stdout, /SECRET_OF_CALLER|DRAY_/);
      assert.match(result.stdout, /^PATH=/m);
      assert.match(result.stdout, /^HOME=\/root$/m);
      assert.match(result.stdout, /^HOSTNAME=/m);
    });

    it('-v of a directory and of a file, read-only too', async () => {
      writeFileSync(join(home.directory, 'host-file'), 'from the host\n');
      const flags = [
        '-v',
        `${home.directory}/host-file:/mnt/file:ro`,
        '-v',
        `${home.directory}:/mnt/dir`,
      ];
      const command = 'cat /mnt/file; echo no > /mnt/file; echo back > /mnt/dir/written';
      const result = await run(flags, ['sh', '-c', command]);
      assert.equal(result.stdout, 'from the host\n');
      assert.match(result.stderr, /Read-only file system/);
      assert.equal(readFileSync(join(home.directory, 'written'), 'utf8'), 'back\n');
    });

    it('--mount type=bind and type=tmpfs, --tmpfs', async () => {
      writeFileSync(join(home.directory, 'mounted'), 'bind\n');
      const flags = [
        '--mount',
        `type=bind,source=${home.directory}/mounted,target=/x/bind,readonly`,
        '--mount',
        'type=tmpfs,target=/x/memory',
        '--tmpfs',
        '/y:size=1m',
      ];
      const command = 'cat /x/bind; stat -f -c %T /x/memory /y';
      assert.equal(await output(flags, ['sh', '-c', command]), 'bind\ntmpfs\ntmpfs\n');
    });

    it('--user by name, number and group, --group-add', async () => {
      assert.equal(
        await output(['-u', 'app'], ['id']),
        'uid=1000(app) gid=1000(app) groups=29(audio),1000(app)\n',
      );
      assert.match(await output(['-u', '12:34'], ['id']), /^uid=12 gid=34/);
      assert.match(await output(['-u', 'app', '--group-add', '77'], ['id']), /77/);
    });

    it('--workdir, --hostname, --read-only', async () => {
      assert.equal(await output(['-w', '/new/dir'], ['pwd']), '/new/dir\n');
      assert.equal(await output(['--hostname', 'box'], ['hostname']), 'box\n');
      const result = await run(['--read-only'], ['sh', '-c', 'echo x > /file || echo refused']);
      assert.equal(result.stdout, 'refused\n');
    });

    it('--cidfile, --name, and the record of a container that stays', async () => {
      const file = join(home.directory, 'cid');
      const result = await home.run(['run', '--cidfile', file, '--name', 'keeper', IMAGE, 'true']);
      assert.equal(result.status, 0, result.stderr);
      assert.match(readFileSync(file, 'utf8'), /^[0-9a-f]{64}\n?$/);
      const again = await home.run(['run', '--rm', '--name', 'keeper', IMAGE, 'true']);
      assert.equal(again.status, 125, 'the name is taken');
      assert.match(again.stderr, /keeper/);
      const existing = await run(['--cidfile', file], ['true']);
      assert.equal(existing.status, 125, 'the cid file exists');
    });

    it('--network none has a loopback and nothing else', async () => {
      const interfaces = await output(['--network', 'none'], ['ls', '/sys/class/net']);
      assert.equal(interfaces, 'lo\n');
      assert.match(await output([], ['ip', 'link']), /lo: <LOOPBACK,UP/);
    });

    it('--network host sees the host', async () => {
      const names = (await output(['--network', 'host'], ['ls', '/sys/class/net']))
        .trim()
        .split('\n');
      assert.deepEqual(names.toSorted(), readdirSync('/sys/class/net').toSorted());
    });

    it('--ulimit, --pids-limit, --shm-size', async () => {
      assert.equal(
        await output(['--ulimit', 'nofile=100:200'], ['sh', '-c', 'ulimit -n; ulimit -Hn']),
        '100\n200\n',
      );
      const forks = 'for i in 1 2 3 4 5 6 7 8 9; do sleep 0.2 & done; wait; echo end';
      const limited = await run(['--pids-limit', '5'], ['sh', '-c', forks]);
      assert.match(limited.stderr, /can't fork/);
      assert.match(await output(['--shm-size', '1m'], ['df', '-k', '/dev/shm']), /\s1024\s/);
    });

    it('--memory ends a process that takes more', async () => {
      const hog = 'dd if=/dev/zero of=/dev/shm/x bs=1M count=60 && echo unreachable';
      const result = await run(['--memory', '24m', '--shm-size', '100m'], ['sh', '-c', hog]);
      assert.notEqual(result.status, 0);
      assert.equal(result.stdout, '');
    });

    it('--init reaps and forwards', async () => {
      assert.match(await output(['--init'], ['ps', '-o', 'pid,comm']), /^\s*1 \S*init/m);
    });
  });

  describe('what is left afterwards', () => {
    it('nothing with --rm', async () => {
      const earlier = containersOf(home);
      await run([], ['sh', '-c', 'echo x > /big; mkdir /dir']);
      assert.deepEqual(containersOf(home), earlier);
    });

    it('a directory without --rm, which gc keeps and reports nothing about', async () => {
      await using own = new CliHome();
      const layoutDir = writeLayout(join(own.directory, 'busybox'), [{ image: busyboxImage() }]);
      await own.succeed(['fetch', '--quiet', `oci:${layoutDir}`]);
      await own.succeed(['run', IMAGE, 'true']);
      assert.equal(containersOf(own).length, 1);
      assert.deepEqual(await own.leftovers(), []);
    });

    it('nothing when the command is not found', async () => {
      const earlier = containersOf(home);
      await run([], ['no-such-command']);
      assert.deepEqual(containersOf(home), earlier);
      assert.deepEqual(await home.leftovers(), []);
    });
  });

  describe('the sandbox', () => {
    it('leaks no descriptor of the caller', async () => {
      const script = 'exec 7</etc/hostname 19</etc/passwd 200</etc/group; exec "$0" "$@"';
      const { spawnSync } = await import('node:child_process');
      const argv = [
        '-c',
        script,
        'bin/run',
        '--root',
        home.dataDir,
        'run',
        '--rm',
        IMAGE,
        'ls',
        '/proc/self/fd',
      ];
      const { stdout, stderr } = spawnSync('bash', argv, {
        encoding: 'utf8',
        cwd: new URL('../..', import.meta.url).pathname,
        env: { ...process.env, DRAY_RUN_DIR: home.runDir },
      });
      // The fourth is the directory that ls itself reads.
      assert.equal(stdout, '0\n1\n2\n3\n', stderr);
    });

    it('filters calls, drops capabilities, masks files', async () => {
      const command =
        'grep -E "^(CapEff|CapInh|Seccomp):" /proc/self/status; cat /proc/timer_list; ls /sys/firmware';
      const text = await output([], ['sh', '-c', command]);
      assert.match(text, /^CapInh:\t0{16}$/m);
      assert.match(text, /^CapEff:\t00000000800405fb$/m);
      assert.match(text, /^Seccomp:\t2$/m);
      assert.equal(text.trim().split('\n').length, 3, 'masked files and directories are empty');
    });

    it('shows no mount on the host while it runs', async () => {
      const running = home.start(['run', '--rm', '-i', IMAGE, 'sh', '-c', 'echo up; cat'], {
        stdin: 'open',
      });
      while (!running.output().includes('up'))
        await new Promise((resolve) => setImmediate(resolve));
      const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
      running.child.stdin?.end();
      await running.exited;
      assert.ok(!mounts.includes(home.directory), mounts);
    });
  });
});

function containersOf(home: CliHome): string[] {
  const directory = join(home.dataDir, 'containers');
  return existsSync(directory)
    ? readdirSync(directory).filter((name) => /^[0-9a-f]{64}$/.test(name))
    : [];
}
