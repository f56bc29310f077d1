import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../../src/core/oci/digest.ts';
import { DigestVerifier } from '../../../src/core/oci/digest-verifier.ts';
import { engineError } from '../../support/engine-errors.ts';

const BYTES = Buffer.from('the bytes of a blob');

function verify(chunks: readonly Buffer[], size = BYTES.length, digest = digestOf(BYTES)): void {
  const verifier = new DigestVerifier({ digest, size }, 'layer 1/2');
  for (const chunk of chunks) verifier.update(chunk);
  verifier.end();
}

describe('DigestVerifier', () => {
  it('accepts the right bytes, in one chunk, in many, with empty ones', () => {
    verify([BYTES]);
    verify([BYTES.subarray(0, 3), Buffer.alloc(0), BYTES.subarray(3)]);
  });

  it('accepts sha512', () => verify([BYTES], BYTES.length, digestOf(BYTES, 'sha512')));

  it('accepts a blob without bytes', () => verify([], 0, digestOf('')));

  it('refuses the first byte too many, before the end', () => {
    const verifier = new DigestVerifier({ digest: digestOf(BYTES), size: BYTES.length }, 'layer');
    verifier.update(BYTES);
    assert.throws(() => verifier.update(Buffer.alloc(1)), engineError('SIZE_MISMATCH', /longer/));
    assert.equal(verifier.bytesRead, BYTES.length + 1);
  });

  it('refuses missing bytes and says how many there were', () => {
    assert.throws(
      () => verify([BYTES.subarray(0, 5)]),
      engineError('SIZE_MISMATCH', /layer 1\/2 has 5 of the 19 bytes/),
    );
  });

  it('refuses other bytes of the right size and names both digests', () => {
    const other = Buffer.from(BYTES);
    other[0] = 0;
    const both = new RegExp(`${digestOf(BYTES)}.*${digestOf(other)}`);
    assert.throws(() => verify([other]), engineError('DIGEST_MISMATCH', both));
  });
});
