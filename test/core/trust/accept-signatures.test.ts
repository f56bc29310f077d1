import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../../src/core/oci/digest.ts';
import { parseReference } from '../../../src/core/oci/reference.ts';
import type { VerifiedSignature } from '../../../src/core/oci/verified-signature.ts';
import { unmetRequirement } from '../../../src/core/trust/accept-signatures.ts';
import { testKey } from '../../support/signed-images.ts';

const [ours, second] = [testKey().signing.publicKey, testKey().signing.publicKey];
const [index, manifest] = [digestOf('index'), digestOf('manifest')];
const identity = 'quay.io/a/b';
const subject = { reference: parseReference('quay.io/a/b:1'), digests: [index, manifest] };
const asksFor = (...keys: (typeof ours)[]) =>
  ({ keys, identity: { type: 'ownRepository' } }) as const;
const good = { digest: index, key: ours.fingerprint, identity };

describe('unmetRequirement', () => {
  const rows: readonly (readonly [string, readonly VerifiedSignature[], boolean])[] = [
    ['a signature of the index', [good], true],
    ['a signature of the manifest behind it', [{ ...good, digest: manifest }], true],
    ['a signature by another key that is enough', [{ ...good, key: second.fingerprint }], true],
    ['a good one behind a bad one', [{ ...good, digest: digestOf('x') }, good], true],
    ['a signature of another image', [{ ...good, digest: digestOf('x') }], false],
    ['a signature by a key that is not asked for', [{ ...good, key: digestOf('k') }], false],
    ['a signature for another name', [{ ...good, identity: 'quay.io/a/c' }], false],
    ['no signature', [], false],
  ];
  for (const [name, signatures, isMet] of rows) {
    it(`is ${isMet ? 'none' : 'one'} for ${name}`, () => {
      const requirement = asksFor(ours, second);
      const unmet = unmetRequirement([requirement], subject, signatures);
      assert.equal(unmet, isMet ? undefined : requirement);
    });
  }

  it('is the one that is left when only one of two is met', () => {
    const requirements = [asksFor(ours), asksFor(second)];
    assert.equal(unmetRequirement(requirements, subject, [good]), requirements[1]);
    const both = [good, { ...good, key: second.fingerprint }];
    assert.equal(unmetRequirement(requirements, subject, both), undefined);
  });
});
