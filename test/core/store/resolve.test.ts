import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Digest, digestFromHash, digestOf } from '../../../src/core/oci/digest.ts';
import type { ImageRecord } from '../../../src/core/store/image-store.ts';
import { resolveImage } from '../../../src/core/store/resolve.ts';
import { engineError } from '../../support/engine-errors.ts';

function recordOf(id: string, reference?: string): ImageRecord {
  return {
    ...(reference === undefined ? {} : { reference }),
    manifest: { mediaType: 'x', digest: digestOf(`manifest ${id}`), size: 1 },
    imageId: idOf(id),
    importedAt: '2026-01-01T00:00:00.000Z',
    resolvedDigest: digestOf(`index ${id}`),
  };
}

function idOf(start: string): Digest {
  return digestFromHash('sha256', start.padEnd(64, '0'));
}

const BUSYBOX = recordOf('abcd1', 'docker.io/library/busybox:latest');
const BUSYBOX_OLD = recordOf('abcd1', 'docker.io/library/busybox:1.36');
const DEBIAN = recordOf('abcd2', 'docker.io/library/debian:12');
const CAFE = recordOf('0123', 'docker.io/library/cafe:latest');
const NAMELESS = recordOf('cafe');
const LOCAL = recordOf('5555', '127.0.0.1:5000/a/b:x');
const ODD = recordOf('6666', '../../x\n');
const SHA = recordOf('7777', 'docker.io/library/sha256:5');
const ALL = [BUSYBOX, BUSYBOX_OLD, DEBIAN, CAFE, NAMELESS, LOCAL, ODD, SHA];

describe('resolveImage', () => {
  const found: readonly (readonly [input: string, records: readonly ImageRecord[]])[] = [
    ['busybox', [BUSYBOX]],
    ['busybox:latest', [BUSYBOX]],
    ['docker.io/library/busybox', [BUSYBOX]],
    ['docker://busybox:1.36', [BUSYBOX_OLD]],
    ['127.0.0.1:5000/a/b:x', [LOCAL]],
    [`busybox@${BUSYBOX.manifest.digest}`, [BUSYBOX]],
    [`busybox@${BUSYBOX.resolvedDigest}`, [BUSYBOX]],
    [`debian:99@${DEBIAN.manifest.digest}`, [DEBIAN]],
    ['sha256-abcd2', [DEBIAN]],
    ['sha256:abcd2', [DEBIAN]],
    ['abcd2', [DEBIAN]],
    // An id, although an image has this name.
    ['sha256:5', [LOCAL]],
    ['library/sha256:5', [SHA]],
    [`sha256-${'abcd1'.padEnd(12, '0')}`, [BUSYBOX, BUSYBOX_OLD]],
    [idOf('abcd1'), [BUSYBOX, BUSYBOX_OLD]],
    [idOf('abcd1').slice(7), [BUSYBOX, BUSYBOX_OLD]],
    // A name wins over the beginning of an id.
    ['cafe', [CAFE]],
    ['cafe0', [NAMELESS]],
    ['../../x\n', [ODD]],
  ];
  for (const [input, records] of found) {
    it(`finds ${JSON.stringify(input)}`, () => {
      assert.deepEqual(resolveImage(ALL, input), records);
    });
  }

  it('lists the candidates of a beginning that several image ids have', () => {
    assert.throws(
      () => resolveImage(ALL, 'sha256:abcd'),
      engineError(
        'IMAGE_AMBIGUOUS',
        /2 image ids: sha256-abcd10000000 \("docker.io.*sha256-abcd20000000 /,
      ),
    );
  });

  const missing = [
    '',
    'debian',
    'nothing',
    'abc',
    'sha256:',
    'sha256:ABCD2',
    'sha256:ffff',
    'sha512:abcd2',
    idOf('abcd'),
    `debian@${BUSYBOX.manifest.digest}`,
    `busyboxes@${BUSYBOX.manifest.digest}`,
    'library/busybox:',
    'BUSYBOX',
    '../../x',
    '\u001b[2J',
    'a'.repeat(100_000),
  ];
  for (const input of missing) {
    it(`does not find ${JSON.stringify(input).slice(0, 80)}`, () => {
      assert.throws(() => resolveImage(ALL, input), engineError('IMAGE_NOT_FOUND'));
    });
  }

  it('tells where the images are listed, since not every command could use a fetched one', () => {
    const hint = 'Run "dray image list" to see the images.';
    assert.throws(() => resolveImage(ALL, 'nope'), { code: 'IMAGE_NOT_FOUND', hint });
  });
});
