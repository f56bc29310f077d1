import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { busyboxImage } from '../support/busybox-image.ts';
import { NEEDS_ROOT } from '../support/e2e.ts';
import { writeLayout } from '../support/layout-writer.ts';
import { CLI, CliHome } from '../support/run-cli.ts';

const IMAGE = 'localhost/busybox';
const MIB = 1024 * 1024;

describe('dray run and its standard streams', NEEDS_ROOT, () => {
  let home: CliHome;

  before(async () => {
    home = new CliHome();
    const layoutDir = writeLayout(join(home.directory, 'busybox'), [{ image: busyboxImage() }]);
    await home.succeed(['fetch', '--quiet', `oci:${layoutDir}`]);
  });
  after(() => home[Symbol.asyncDispose]());

  const environment = () => ({
    ...process.env,
    DRAY_NETWORK: 'none',
    DRAY_ROOT: home.dataDir,
    DRAY_RUN_DIR: home.runDir,
  });

  it('passes 256 MiB out and in, byte for byte', () => {
    const bytes = 256 * MIB;
    const script = `head -c ${bytes} /dev/zero | tr '\\0' 'x' | "$0" run --rm -i ${IMAGE} cat | sha256sum`;
    const printed = execFileSync('bash', ['-o', 'pipefail', '-c', script, CLI], {
      encoding: 'utf8',
      env: environment(),
    });
    const expected = createHash('sha256');
    const part = Buffer.alloc(MIB, 'x');
    for (let sent = 0; sent < bytes; sent += MIB) expected.update(part);
    assert.equal(printed.split(' ')[0], expected.digest('hex'));
  });

  it('passes any byte both ways', async () => {
    const bytes = randomBytes(3 * MIB + 17);
    const result = await home.run(['run', '--rm', '-i', IMAGE, 'cat'], { stdin: bytes });
    assert.equal(result.status, 0, result.stderr);
    assert.ok(bytes.equals(result.stdoutBytes));
  });

  it('keeps standard output and standard error apart', async () => {
    const result = await home.run(['run', '--rm', IMAGE, 'sh', '-c', 'echo out; echo err >&2']);
    assert.equal(result.stdout, 'out\n');
    assert.equal(result.stderr, 'err\n');
  });

  it('gives an empty standard input without -i', async () => {
    const result = await home.run(['run', '--rm', IMAGE, 'sh', '-c', 'cat; echo end'], {
      stdin: 'not for the container',
    });
    assert.equal(result.stdout, 'end\n');
  });

  it('hands on descriptors: a file as output is the container’s own', () => {
    const file = join(home.directory, 'output');
    const descriptor = openSync(file, 'w');
    const { status } = spawnSync(CLI, ['run', '--rm', IMAGE, 'readlink', '/proc/self/fd/1'], {
      stdio: ['ignore', descriptor, 'inherit'],
      env: environment(),
    });
    closeSync(descriptor);
    assert.equal(status, 0);
    assert.match(readFileSync(file, 'utf8'), /output/);
  });

  it("leaves the owner of the caller's files alone, whoever the container's user is", () => {
    const input = join(home.directory, 'input');
    const output = join(home.directory, 'foreign');
    writeFileSync(input, 'secret\n', { mode: 0o600 });
    const descriptors = [openSync(input, 'r'), openSync(output, 'w', 0o600)];
    const argv = ['run', '--rm', '-i', '--user', '1234', IMAGE, 'cat'];
    const { status } = spawnSync(CLI, argv, {
      stdio: [...descriptors, 'inherit'],
      env: environment(),
    });
    for (const descriptor of descriptors) closeSync(descriptor);
    assert.equal(status, 0);
    assert.equal(readFileSync(output, 'utf8'), 'secret\n');
    assert.deepEqual([statSync(input).uid, statSync(output).uid], [0, 0]);
  });

  it('ends when its reader goes away', () => {
    const script = `"$0" run --rm ${IMAGE} yes | head -c 10; echo "\${PIPESTATUS[0]}"`;
    const printed = execFileSync('bash', ['-c', script, CLI], {
      encoding: 'utf8',
      env: environment(),
      timeout: 30_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    assert.match(printed, /^y\ny\ny\ny\ny\n\d+\n$/);
  });

  it('gives a terminal with -t, and its size', async () => {
    const inside = 'test -t 0 && test -t 1 && stty size';
    const command = `stty rows 40 cols 123; "${CLI}" run --rm -it ${IMAGE} sh -c '${inside}'`;
    // script hangs its terminal up as soon as its own input ends, so that stays open.
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: environment(),
    });
    let printed = '';
    child.stdout.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
    });
    const status = await new Promise((resolve) => child.once('close', resolve));
    assert.equal(status, 0, printed);
    assert.match(printed, /40 123/);
  });

  it('warns and goes on with -t but no terminal', async () => {
    const result = await home.run(['run', '--rm', '-t', IMAGE, 'echo', 'went on']);
    assert.equal(result.status, 0, result.stderr);
    assert.match(result.stdout, /went on/);
    assert.match(result.stderr, /terminal/i);
  });

  it('does not hang with every stream closed', async () => {
    const child = spawn('sh', ['-c', `exec "$0" run --rm ${IMAGE} true <&- >&- 2>&-`, CLI], {
      env: environment(),
      stdio: 'ignore',
    });
    const status = await new Promise((resolve) => child.once('exit', resolve));
    assert.equal(status, 0);
  });
});
