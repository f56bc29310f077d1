/** list, ps, inspect, top and stats from the command line, of one container that lives. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { NEEDS_ROOT } from '../support/e2e.ts';
import { LiveHome } from '../support/live-containers.ts';

describe('what is shown of containers', NEEDS_ROOT, () => {
  let home: LiveHome;
  let id: string;

  before(async () => {
    home = new LiveHome();
    const image = await home.fetchBusybox();
    await home.succeed(['create', '--network', 'none', '--name', 'made', image, 'true']);
    const argv = ['run', '-d', '--network', 'none', '--name', 'web', '-l', 'a.b=c'];
    id = (await home.succeed([...argv, image, 'sleep', '600'])).trim();
  });
  after(() => home[Symbol.asyncDispose]());

  it('list has all, ps those that run, newest first', async () => {
    const format = ['--format', '{{.Names}} {{.State}} {{.Label "a.b"}}'];
    assert.equal(await home.succeed(['list', ...format]), 'web running c\nmade created \n');
    assert.equal(await home.succeed(['ps', ...format]), 'web running c\n');
    assert.equal(await home.succeed(['ps', '-aq', '--no-trunc', '-f', 'label=a.b']), `${id}\n`);
    assert.equal(await home.succeed(['ps', '-n', '1', '--format', '{{.Names}}']), 'web\n');
    assert.match(
      await home.succeed(['ps']),
      /^CONTAINER ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES\n[0-9a-f]{12} +\S+busybox\S* +"sleep 600" +.* ago +Up .* +web\n$/,
    );
    const { status, stdout, stderr } = await home.run(['ps', '--format', '{{.Name}}']);
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, /there is no field ".Name"\n {2}Did you mean ".Names"\?/);
  });

  it('inspect prints what it finds and fails for the rest', async () => {
    const result = await home.run([
      'inspect',
      '-f',
      '{{.Name}} {{.State.Status}}',
      'web',
      'nosuch',
    ]);
    assert.deepEqual([result.status, result.stdout], [1, '/web running\n']);
    assert.match(result.stderr, /no container, image or volume "nosuch"/);
    const [inspected] = JSON.parse(await home.succeed(['inspect', '--size', 'web']));
    assert.deepEqual([inspected.Id, inspected.Config.Labels], [id, { 'a.b': 'c' }]);
    assert.equal(typeof inspected.SizeRw, 'number');
  });

  it('top and stats show its process', async () => {
    assert.match(await home.succeed(['top', 'web']), /^UID .* CMD\nroot .* sleep 600\n$/);
    assert.match(
      await home.succeed(['top', 'web', '-o', 'pid,comm']),
      /^PID +COMMAND\n\d+ +\S+\n$/,
    );
    assert.match(
      await home.succeed(['stats', '--no-stream', '--format', '{{.Name}} {{.CPUPerc}} {{.PIDs}}']),
      /^web \d+\.\d\d% 1\n$/,
    );
  });
});
