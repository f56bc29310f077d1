import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  type BoundSocket,
  bindDatagramSocket,
  receiveDatagram,
  sendDatagram,
} from '../../../src/core/host/unix-socket.ts';
import { openNotifyRelay } from '../../../src/core/operations/notify-relay.ts';

/** A service manager, and the directory of a container. */
class Manager implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'dray-notify-'));
  readonly path = join(this.directory, 'manager');
  readonly #socket: BoundSocket = bindDatagramSocket(this.path);

  heard(): string | undefined {
    return receiveDatagram(this.#socket.fd, 1000)?.toString();
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
    rmSync(this.directory, { recursive: true });
  }
}

describe('a notify relay', () => {
  it('passes on what the container says of itself, and who is to be watched', () => {
    using manager = new Manager();
    const inside = join(manager.directory, 'notify', 'notify.sock');
    {
      using relay = openNotifyRelay(manager.directory, { by: 'container', socket: manager.path });
      relay.started();
      assert.equal(manager.heard(), undefined, 'the container has said nothing yet');
      sendDatagram(inside, 'STATUS=nearly\nMAINPID=1\nFDSTORE=1');
      sendDatagram(inside, 'READY=1\nMAINPID=1');
    }
    assert.equal(manager.heard(), 'STATUS=nearly');
    assert.equal(manager.heard(), `READY=1\nMAINPID=${process.pid}`);
    assert.equal(manager.heard(), undefined);
    assert.equal(existsSync(inside), false);
  });

  it('says itself that a container runs which says nothing', () => {
    using manager = new Manager();
    using relay = openNotifyRelay(manager.directory, { by: 'dray', socket: manager.path });
    assert.equal(manager.heard(), undefined);
    relay.started();
    assert.equal(manager.heard(), `READY=1\nMAINPID=${process.pid}`);
  });

  it('goes on when nobody listens', () => {
    using manager = new Manager();
    using relay = openNotifyRelay(manager.directory, { by: 'dray', socket: '/nowhere/at/all' });
    relay.started();
  });
});
