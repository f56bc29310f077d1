import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { signalExactly } from '../../../src/core/host/pidfd.ts';
import { makePipe } from '../../../src/core/host/pipe.ts';
import { bootId, identityOf, isAlive } from '../../../src/core/host/process-identity.ts';
import {
  acceptConnection,
  bindDatagramSocket,
  listenAt,
  receiveDatagram,
  receiveDescriptor,
  sendDatagram,
} from '../../../src/core/host/unix-socket.ts';
import { engineError } from '../../support/engine-errors.ts';

/** A directory whose path is longer than a socket's address. */
function deepDirectory(): { path: string } & Disposable {
  const top = mkdtempSync(join(tmpdir(), 'dray-socket-'));
  const path = join(top, 'x'.repeat(100));
  mkdirSync(path);
  return { path, [Symbol.dispose]: () => rmSync(top, { recursive: true, force: true }) };
}

describe('a datagram socket', () => {
  it('takes messages one by one, at a path of any length', () => {
    using directory = deepDirectory();
    const path = join(directory.path, 'socket');
    {
      using bound = bindDatagramSocket(path);
      assert.equal(receiveDatagram(bound.fd, 100), undefined);
      sendDatagram(bound.shortPath, 'READY=1');
      sendDatagram(bound.shortPath, 'STATUS=x');
      assert.equal(receiveDatagram(bound.fd, 100)?.toString(), 'READY=1');
      assert.equal(receiveDatagram(bound.fd, 100)?.toString(), 'STATUS=x');
      assert.equal(receiveDatagram(bound.fd, 100), undefined);
    }
    assert.equal(existsSync(path), false);
  });

  it('refuses a name that is too long, and reports one where nobody listens', () => {
    assert.throws(() => sendDatagram(`/${'x'.repeat(200)}`, ''), engineError('USAGE_INVALID'));
    assert.throws(() => sendDatagram('/nowhere/at/all', ''), { errno: 'ENOENT' });
  });
});

const PYTHON = ['/usr/bin/python3'].find((path) => existsSync(path));

describe('a descriptor that comes through a socket', () => {
  it('is ours then', {
    skip: PYTHON === undefined && 'there is no python3 to send it',
  }, async () => {
    using directory = deepDirectory();
    using listening = listenAt(join(directory.path, 'socket'));
    assert.equal(acceptConnection(listening.fd), undefined);
    const { readFd, writeFd } = makePipe();
    const script =
      'import socket,sys,array\n' +
      's=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n' +
      's.sendmsg([b"/dev/pts/0"],[(socket.SOL_SOCKET,socket.SCM_RIGHTS,array.array("i",[1]))])\n' +
      's.recv(1)\n';
    const sender = spawn(PYTHON ?? '', ['-c', script, listening.shortPath], {
      stdio: ['ignore', writeFd, 'inherit'],
    });
    closeSync(writeFd);
    let connection: number | undefined;
    let received: number | undefined;
    while (received === undefined) {
      await delay(2);
      connection ??= acceptConnection(listening.fd);
      if (connection !== undefined) received = receiveDescriptor(connection);
    }
    sender.kill();
    writeSync(received, 'through');
    closeSync(received);
    closeSync(connection ?? 0);
    assert.equal(execFileSync('cat', { stdio: [readFd, 'pipe', 'inherit'] }).toString(), 'through');
    closeSync(readFd);
  });
});

describe('a process', () => {
  it('is told apart from another that has its number', () => {
    const own = identityOf(process.pid);
    assert.equal(isAlive(own), true);
    assert.equal(isAlive({ ...own, startTime: '1' }), false);
    assert.equal(isAlive({ pid: 2 ** 22 + 1, startTime: own.startTime }), false);
    assert.match(bootId(), /^[0-9a-f-]{36}$/);
  });

  it('gets a signal only if it is the right one', async () => {
    const child = spawn('sleep', ['1000']);
    const pid = child.pid ?? assert.fail();
    const ended = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
    assert.equal(
      signalExactly(pid, 9, () => false),
      false,
    );
    assert.equal(isAlive(identityOf(pid)), true);
    assert.equal(
      signalExactly(pid, 15, () => true),
      true,
    );
    assert.equal(await ended, 'SIGTERM');
    assert.equal(
      signalExactly(pid, 15, () => true),
      false,
    );
  });
});
