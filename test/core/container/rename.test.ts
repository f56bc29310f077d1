import assert from 'node:assert/strict';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { renameContainer } from '../../../src/core/container/container-names.ts';
import { ContainerStore } from '../../../src/core/container/container-store.ts';
import { engineError } from '../../support/engine-errors.ts';
import { TempDataDir } from './container-fixture.ts';

describe('renameContainer', () => {
  it('changes the name of a container that somebody holds, and frees the old one', async () => {
    using temp = new TempDataDir();
    using container = temp.make({ name: 'old' });
    await renameContainer(temp.path, container.id, 'new');
    assert.equal(ContainerStore.find(temp.path, 'new').record?.name, 'new');
    assert.throws(() => ContainerStore.find(temp.path, 'old'), engineError('CONTAINER_NOT_FOUND'));
    using _other = temp.make({ name: 'old' });
    container.remove();
    using _next = temp.make({ name: 'new' });
  });

  it('refuses a name that another container has, and changes nothing', async () => {
    using temp = new TempDataDir();
    using container = temp.make({ name: 'a' });
    using other = temp.make({ name: 'b' });
    const before = temp.names();
    const taken = engineError('CONTAINER_NAME_IN_USE', new RegExp(other.id.slice(0, 12)));
    await assert.rejects(renameContainer(temp.path, container.id, 'b'), taken);
    assert.deepEqual(temp.names(), before);
  });

  it('gives a name to one that had none, and keeps one that is the same', async () => {
    using temp = new TempDataDir();
    using container = temp.make();
    await renameContainer(temp.path, container.id, 'web');
    await renameContainer(temp.path, container.id, 'web');
    assert.equal(ContainerStore.find(temp.path, 'web').id, container.id);
  });

  it('gives one name to one of many that want it', async () => {
    using temp = new TempDataDir();
    const containers = Array.from({ length: 8 }, () => temp.make());
    const outcomes = await Promise.allSettled(
      containers.map(({ id }) => renameContainer(temp.path, id, 'web')),
    );
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
    const { id } = ContainerStore.find(temp.path, 'web');
    assert.equal(ContainerStore.find(temp.path, id).record?.name, 'web');
    for (const container of containers) container[Symbol.dispose]();
  });

  it('loses no name when it is killed between its steps', async () => {
    using temp = new TempDataDir();
    using container = temp.make({ name: 'old' });
    const names = join(temp.path, 'containers', 'names');
    // Killed behind the first step: the new name has a link, and the record does not know it.
    symlinkSync(`../${container.id}`, join(names, 'new'));
    assert.equal(ContainerStore.find(temp.path, 'old').id, container.id);
    assert.throws(() => ContainerStore.find(temp.path, 'new'), engineError('CONTAINER_NOT_FOUND'));
    using taker = temp.make({ name: 'new' });
    assert.equal(ContainerStore.find(temp.path, 'new').id, taker.id);
    // Killed before the last step: the old name still has its link.
    const record = join(container.directory, 'record.json');
    const text = readFileSync(record, 'utf8').replace('"name":"old"', '"name":"third"');
    symlinkSync(`../${container.id}`, join(names, 'third'));
    writeFileSync(record, text);
    assert.equal(ContainerStore.find(temp.path, 'third').id, container.id);
    using _old = temp.make({ name: 'old' });
  });
});
