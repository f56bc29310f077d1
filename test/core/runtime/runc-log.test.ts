import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runcFailure } from '../../../src/core/runtime/runc-log.ts';

const ROOT = `/var/lib/dray/containers/${'a'.repeat(64)}/rootfs`;

function logOf(...messages: readonly string[]): string {
  return messages.map((msg) => `${JSON.stringify({ level: 'error', msg })}\n`).join('');
}

describe('runcFailure', () => {
  const rows: [
    name: string,
    message: string,
    code: string,
    reason: string,
    hint: RegExp | undefined,
  ][] = [
    [
      'a mount of a directory on a file, without the place of the store',
      `runc run failed: unable to start container process: error during container init: error mounting "/dev/shm/x" to rootfs at "/etc/passwd": mount /dev/shm/x:/etc/passwd (via /proc/self/fd/6), flags: 0x5000: not a directory`,
      'RUNTIME_FAILED',
      'error mounting "/dev/shm/x" to rootfs at "/etc/passwd": mount /dev/shm/x:/etc/passwd (via /proc/self/fd/6), flags: 0x5000: not a directory',
      /a file on a file/,
    ],
    [
      'paths in the root as the container sees them',
      `runc run failed: unable to start container process: open ${ROOT}/data/file: and "${ROOT}": odd`,
      'RUNTIME_FAILED',
      'open /data/file: and "/": odd',
      undefined,
    ],
    [
      'a missing program',
      'runc run failed: unable to start container process: exec: "x": executable file not found in $PATH',
      'COMMAND_NOT_FOUND',
      'exec: "x": executable file not found in $PATH',
      undefined,
    ],
    [
      'a program that may not be executed',
      'runc run failed: unable to start container process: exec: "/x": permission denied',
      'COMMAND_NOT_EXECUTABLE',
      'exec: "/x": permission denied',
      undefined,
    ],
  ];
  for (const [name, message, code, reason, hint] of rows) {
    it(`says ${name}`, () => {
      const failure = runcFailure(logOf('earlier', message));
      assert.equal(failure?.code, code);
      assert.equal(failure?.message, `runc could not start the container: ${reason}`);
      if (hint === undefined) assert.equal(failure?.hint, undefined);
      else assert.match(failure?.hint ?? '', hint);
    });
  }

  it('is undefined without an error', () => {
    assert.equal(runcFailure('no json\n{"level":"warning","msg":"x"}\n'), undefined);
  });
});
