/** What list, inspect, top and stats say of containers. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { inspectionData } from '../../../src/cli/inspection.ts';
import { processTable } from '../../../src/cli/process-fields.ts';
import { statsRow } from '../../../src/cli/stats-fields.ts';
import { compileTemplate } from '../../../src/cli/template/format-flag.ts';
import { ContainerStore } from '../../../src/core/container/container-store.ts';
import {
  containerProcesses,
  psOfContainer,
} from '../../../src/core/operations/container-processes.ts';
import { containerStats } from '../../../src/core/operations/container-stats.ts';
import { imageDescendants } from '../../../src/core/operations/image-descendants.ts';
import { inspectAny } from '../../../src/core/operations/inspect-any.ts';
import { listContainers } from '../../../src/core/operations/list-containers.ts';
import { busyboxImage } from '../../support/busybox-image.ts';
import { engineError } from '../../support/engine-errors.ts';
import { type TempEngine, tempEngine } from '../../support/temp-engine.ts';
import { SPECIMEN } from '../container/container-fixture.ts';
import { cannotRunContainers } from '../runtime/container-fixture.ts';
import { LiveContainer, runKept, storeImage } from './live-container.ts';

const skip = cannotRunContainers;

describe('containers that live', { skip }, () => {
  let temp: TempEngine;
  let live: LiveContainer;

  before(async () => {
    temp = tempEngine();
    await storeImage(temp, 'busybox', busyboxImage({ config: { Labels: { 'of.image': 'i' } } }));
    live = await LiveContainer.start(temp, {
      image: 'busybox',
      name: 'live',
      command: ['/bin/sh', '-c', 'while true; do :; done & exec sleep 600'],
      labels: new Map([['a.b', 'c d']]),
      mounts: [{ type: 'tmpfs', destination: '/t', options: ['size=1m'] }],
      memoryBytes: 64 * 1024 * 1024,
      environment: [{ name: 'X', value: 'y=z' }],
    });
    await runKept(temp, {
      image: 'busybox',
      name: 'ended',
      command: ['/bin/sh', '-c', 'echo some > /new; exit 3'],
    });
  });
  after(async () => {
    await live?.[Symbol.asyncDispose]();
    temp?.[Symbol.dispose]();
  });

  function ask(template: string, name = 'live'): string {
    return compileTemplate(template)(inspectionData(inspectAny(temp.engine, name)));
  }

  it('are listed with what they are, oldest first', () => {
    const [first, second, ...others] = listContainers(temp.engine, {
      withMounts: true,
      withSizes: true,
    });
    assert.deepEqual(others, []);
    assert.deepEqual(
      [first?.name, first?.phase, first?.exitStatus],
      ['live', 'running', undefined],
    );
    assert.deepEqual(first?.labels, { 'of.image': 'i', 'a.b': 'c d' });
    assert.deepEqual(
      first?.mounts?.map(({ type, destination }) => [type, destination]),
      [['tmpfs', '/t']],
    );
    assert.deepEqual([second?.name, second?.phase, second?.exitStatus], ['ended', 'exited', 3]);
    assert.ok((second?.sizes?.writableBytes ?? 0) > 0, 'the file that it has written');
    assert.ok((first?.sizes?.rootBytes ?? 0) > 100_000, 'busybox');
  });

  it('answer what scripts ask of docker inspect', () => {
    const { id = '', pid } = live.listing() ?? {};
    const path = 'PATH=/bin:/sbin:/usr/bin:/usr/sbin';
    const environment = `${path}\nHOSTNAME=${id.slice(0, 12)}\nX=y=z\nHOME=/root\n`;
    const rows: readonly (readonly [template: string, answer: string])[] = [
      ['{{.State.Status}} {{.State.Running}} {{.State.Pid}}', `running true ${pid}`],
      ['{{.Name}} {{.Path}} {{len .Args}}', '/live /bin/sh 2'],
      ['{{index .Config.Labels "a.b"}}', 'c d'],
      [
        '{{json .Mounts}}',
        '[{"Type":"tmpfs","Source":"","Destination":"/t","Mode":"size=1m","RW":true,"Propagation":""}]',
      ],
      ['{{range .Config.Env}}{{println .}}{{end}}', environment],
      ['{{.HostConfig.Memory}} {{.HostConfig.NetworkMode}}', '67108864 none'],
      ['{{range .NetworkSettings.Networks}}[{{.IPAddress}}]{{end}}', '[]'],
      ['{{if .State.Health}}checked{{else}}unchecked{{end}}', 'unchecked'],
      ['{{.Config.Image}} {{.State.FinishedAt}}', 'busybox 0001-01-01T00:00:00Z'],
    ];
    for (const [template, answer] of rows) assert.equal(ask(template), answer, template);
    assert.equal(
      ask('{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}}', 'ended'),
      'exited 3 0',
    );
  });

  it('are found before images, and both by their kind', () => {
    const image = inspectAny(temp.engine, 'busybox');
    assert.equal(image.kind, 'image');
    const data = compileTemplate('{{.RepoTags}} {{.Os}} {{index .Config.Labels "of.image"}}');
    assert.equal(data(inspectionData(image)), '[docker.io/library/busybox:latest] linux i');
    assert.throws(
      () => inspectAny(temp.engine, 'live', { kind: 'image' }),
      engineError('IMAGE_NOT_FOUND'),
    );
    assert.throws(() => inspectAny(temp.engine, 'no such'), engineError('CONTAINER_NOT_FOUND'));
  });

  it('show their processes as the host sees them', async () => {
    const all = containerProcesses(temp.engine, 'live');
    assert.deepEqual(all.map(({ command }) => command).sort(), [
      '/bin/sh -c while true; do :; done & exec sleep 600',
      'sleep 600',
    ]);
    const first = all.find(({ command }) => command === 'sleep 600');
    assert.deepEqual(
      [first?.pid, first?.user, first?.terminal],
      [live.listing()?.pid, 'root', '?'],
    );
    const { titles, rows } = processTable(all, new Date());
    assert.deepEqual([titles.length, rows[0]?.length], [8, 8]);
    const table = await psOfContainer(temp.engine, 'live', { options: ['-e', '-o', 'args,pid'] });
    assert.deepEqual(table.titles, ['COMMAND', 'PID']);
  });

  it('show of ps only what is theirs', async () => {
    const options = ['-e', '-o', 'pid,ppid,args'];
    const { rows } = await psOfContainer(temp.engine, 'live', { options });
    const own = containerProcesses(temp.engine, 'live').map(({ pid }) => String(pid));
    assert.deepEqual(rows.map(([pid]) => pid).sort(), own.sort());
    const expected = execFileSync('ps', ['-o', 'args=', '-p', own[0] ?? ''], { encoding: 'utf8' });
    assert.ok(rows.some(([, , args]) => args === expected.trim()));
    for (const refused of [['-e', '-o', 'args'], ['--no-such']]) {
      await assert.rejects(
        psOfContainer(temp.engine, 'live', { options: refused }),
        engineError('USAGE_INVALID'),
      );
    }
    assert.throws(
      () => containerProcesses(temp.engine, 'ended'),
      engineError('CONTAINER_WRONG_PHASE'),
    );
  });

  it('show what they use', async () => {
    const options = { inputs: ['live', 'ended'], all: false, intervalMs: 200 };
    const { value } = await containerStats(temp.engine, options).next();
    const [used, ended] = value ?? [];
    assert.ok(used?.usage !== undefined && ended !== undefined);
    assert.ok(used.usage.cpuPercent > 0, 'one of its processes never waits');
    assert.ok(used.usage.memoryBytes > 0);
    assert.equal(used.usage.memoryLimitBytes, 64 * 1024 * 1024);
    assert.equal(used.usage.pids, 2);
    assert.equal(ended.usage, undefined);
    assert.match(String(statsRow(used, false).MemUsage), /^[\d.]+[KM]iB \/ 64MiB$/);
    assert.equal(statsRow(ended, false).CPUPerc, '--');
  });

  it('end showing what they use when it is cancelled', async () => {
    const controller = new AbortController();
    const options = { inputs: [], all: true, intervalMs: 60_000, signal: controller.signal };
    const next = containerStats(temp.engine, options).next();
    controller.abort();
    await assert.rejects(next, { name: 'AbortError' });
  });

  it('are told from images by the layers below', async () => {
    await storeImage(temp, 'relabelled', busyboxImage({ config: { Labels: { other: 'x' } } }));
    assert.equal(imageDescendants(temp.engine, 'busybox').size, 2);
    assert.equal(imageDescendants(temp.engine, 'nosuch').size, 0);
  });
});

describe('damaged and vanishing containers', () => {
  it('are listed and inspected as far as can be', () => {
    using temp = tempEngine();
    const { dataDir } = temp.engine.settings;
    const make = (name: string) => {
      using container = ContainerStore.create(dataDir, { ...SPECIMEN, name });
      container.keepUntilStarted();
      return container;
    };
    const sound = make('sound');
    const junk: readonly (readonly [file: string, text: string])[] = [
      ['record.json', 'junk'],
      ['record.json', ''],
      [
        'record.json',
        '{"version":1,"options":{"mounts":[1,{"type":"bind"}],"network":{"joins":[{}]}}}',
      ],
      ['exit.json', '{"version":1,"status":1,"finishedAt":"junk"}'],
      ['run.json', '[]'],
      ['config.json', '{'],
      ['health.json', '{"version":1}'],
      ['volumes.json', '{"uses":5}'],
      ['network.json', '7'],
    ];
    for (const [at, [file, text]] of junk.entries()) {
      writeFileSync(join(make(`c${at}`).directory, file), text);
    }
    const listed = listContainers(temp.engine, { withMounts: true, withSizes: true });
    assert.equal(listed.length, junk.length + 1);
    for (const { id } of listed) {
      const { Id } = inspectionData(inspectAny(temp.engine, id)) as { Id: string };
      assert.equal(Id, id);
    }
    assert.equal(listed.find(({ id }) => id === sound.id)?.name, 'sound');
  });

  it('do not disturb a list that is made meanwhile', async () => {
    using temp = tempEngine();
    const { dataDir } = temp.engine.settings;
    using stays = ContainerStore.create(dataDir, { ...SPECIMEN, name: 'stays' });
    for (let round = 0; round < 50; round += 1) {
      const container = ContainerStore.create(dataDir, SPECIMEN);
      if (round % 2 === 0) container.remove();
      else renameSync(container.directory, `${container.directory}.removed`);
      container[Symbol.dispose]();
      const names = listContainers(temp.engine, { withMounts: true }).map(({ name }) => name);
      assert.ok(names.includes('stays'));
      await delay(0);
    }
    mkdirSync(join(dataDir, 'containers', 'f'.repeat(64)));
    assert.ok(listContainers(temp.engine).some(({ id }) => id === 'f'.repeat(64)));
    rmSync(stays.directory, { recursive: true });
    assert.ok(!listContainers(temp.engine).some(({ name }) => name === 'stays'));
  });
});
