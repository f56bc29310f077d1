import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hostLines } from '../../src/cli/host-report.ts';
import type { HostInfo } from '../../src/core/operations/host-info.ts';

function infoWith(knownHoles: readonly string[]): HostInfo {
  return {
    version: '1',
    store: {
      path: '/store',
      filesystem: 'ext4',
      images: 1,
      blobsBytes: 1,
      layersBytes: 1,
      rootfsBytes: 1,
      unfinishedBytes: 1,
    },
    kernel: {
      release: '6',
      erofsFile: { works: true },
      erofsLoop: { works: false, reason: 'x' },
      overlay: { works: true },
      cgroups: 'v2',
    },
    backend: { name: 'erofs', reason: 'x' },
    runtime: { path: '/usr/bin/runc', version: '1.1.5+ds1', knownHoles },
  };
}

describe('hostLines', () => {
  it('says behind the known holes that only the version number was looked at', () => {
    const lines = hostLines(infoWith(['CVE-1', 'CVE-2']));
    assert.deepEqual(lines.slice(-3, -1), ['  Known hole: CVE-1', '  Known hole: CVE-2']);
    assert.match(
      lines.at(-1) ?? '',
      /^ {2}Note: known holes go by the version number; .*1\.1\.5\+ds1 has CVE-2024-21626 fixed/,
    );
  });

  it('says nothing of holes where none is known', () => {
    assert.equal(hostLines(infoWith([])).at(-1), 'Runtime: /usr/bin/runc, 1.1.5+ds1');
  });
});
