import assert from 'node:assert/strict';
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { NEEDS_ROOT } from '../support/e2e.ts';
import { LiveHome } from '../support/live-containers.ts';
import type { CliHome, CliResult } from '../support/run-cli.ts';

/** How many kills; 200 by hand. The seed makes the same moments come again. */
const KILLS = Number(process.env.DRAY_TEST_KILLS ?? 20);
const SEED = Number(process.env.DRAY_TEST_SEED ?? 1);
const AT_ONCE = 3;
const NAMES = ['ant', 'bee', 'cat'];

/** A small generator of numbers from 0 to 1, the same ones for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A command that somebody could be at, about one of the names. */
function randomCommand(random: () => number, imageId: string): string[] {
  const pick = (words: readonly string[]) => words[Math.floor(random() * words.length)] ?? '';
  const name = pick(NAMES);
  const forms: Record<string, readonly string[]> = {
    run: ['run', '--rm', '--name', name, imageId, 'sh', '-c', 'echo x > /file; sleep 0.1'],
    detach: ['run', '-d', '--name', name, imageId, 'sleep', '100'],
    detachAndGo: ['run', '-d', '--rm', '--name', name, imageId, 'sh', '-c', 'sleep 0.2'],
    replace: ['run', '-d', '--replace', '--name', name, imageId, 'sleep', '100'],
    start: ['start', name],
    stop: ['stop', '-t', '0', name],
    remove: ['rm', '-f', name],
    enter: ['enter', name, 'true'],
    rename: ['rename', name, pick(NAMES)],
    gc: ['gc', '--grace-period', '0s'],
  };
  return [...(forms[pick(Object.keys(forms))] ?? [])];
}

interface Listed {
  readonly id: string;
  readonly name: string | null;
  readonly state: string;
}

/** The supervisors that `home` has now. */
function supervisorsOf(home: LiveHome): number[] {
  return home.containerIds().flatMap((id) => home.runState(id)?.supervisor.pid ?? []);
}

/** Fails unless every container is listed once, can be found, and has the name that leads to it. */
async function assertSound(home: CliHome, when: string): Promise<void> {
  const listed: Listed[] = JSON.parse(await home.succeed(['list', '--json']));
  const ids = listed.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length, `${when}: listed twice`);
  const names = listed.flatMap(({ name }) => name ?? []);
  assert.equal(new Set(names).size, names.length, `${when}: two have one name`);
  const containers = join(home.dataDir, 'containers');
  for (const { id, name, state } of listed) {
    if (state === 'removing') continue;
    assert.ok(existsSync(join(containers, id)), `${when}: ${id} is listed and gone`);
    if (name === null) continue;
    const holder = basename(readlinkSync(join(containers, 'names', name)));
    assert.equal(holder, id, `${when}: ${name} leads to another container`);
  }
}

describe('kill -9 over run, stop, rm, enter, gc and more, mixed and concurrent', NEEDS_ROOT, () => {
  it(`every later command works, and no name is lost, after ${KILLS} kills`, async () => {
    await using home = new LiveHome();
    const imageId = await home.fetchBusybox();
    const random = randomFrom(SEED);
    for (let kills = 0; kills < KILLS; kills += 1) {
      const commands = Array.from({ length: AT_ONCE }, () => randomCommand(random, imageId));
      const when = `kill ${kills} of seed ${SEED}, at ${commands.map((one) => one.join(' ')).join(' | ')}`;
      const running = commands.map((command) => home.start(command));
      await delay(random() * 400);
      const supervisors = random() < 0.3 ? supervisorsOf(home) : [];
      const victim = supervisors[Math.floor(random() * supervisors.length)];
      if (victim === undefined) running[0]?.kill('SIGKILL');
      else killIfThere(victim);
      const results = await Promise.all(running.map(({ exited }) => exited));
      for (const result of results) assertNoCrash(result, when);
      await assertSound(home, when);
    }
    await assertAllUsable(home, imageId);
  });
});

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}

/** A command may fail, but with an error that a user can act on. */
function assertNoCrash({ stderr }: CliResult, when: string): void {
  assert.doesNotMatch(stderr, /^ {4}at /m, `${when}: ${stderr}`);
}

async function assertAllUsable(home: CliHome, imageId: string): Promise<void> {
  const listed: Listed[] = JSON.parse(await home.succeed(['list', '--json']));
  for (const { id } of listed) await home.succeed(['rm', '--force', id]);
  for (const name of NAMES) {
    const output = await home.succeed(['run', '--rm', '--name', name, imageId, 'echo', name]);
    assert.equal(output, `${name}\n`);
  }
  assert.deepEqual(JSON.parse(await home.succeed(['list', '--json'])), []);
  const left = readdirSync(join(home.dataDir, 'containers'), { recursive: true });
  assert.deepEqual(
    left.filter((name) => name !== 'names' && name !== 'names/.lock'),
    [],
  );
}
