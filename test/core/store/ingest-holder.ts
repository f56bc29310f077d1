/**
 * Holds something of a store until it is killed or its stdin ends, and says "held" when it does.
 * Arguments: `ingest DATA_DIR DIGEST BYTES`, `lease DATA_DIR DIGEST…`, or `gc-lock DATA_DIR`.
 */
import { writeSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { parseDigest } from '../../../src/core/oci/digest.ts';
import { acquireShared } from '../../../src/core/store/gc-lock.ts';
import { LayerIngest } from '../../../src/core/store/ingest.ts';
import { Lease } from '../../../src/core/store/lease.ts';

const [what, dataDir = '', ...rest] = process.argv.slice(2);
const digests = rest.filter((each) => each.includes(':')).map((each) => parseDigest(each, 'argv'));

async function hold(): Promise<unknown> {
  if (what === 'gc-lock') return acquireShared(dataDir);
  if (what === 'lease') {
    const lease = Lease.open(dataDir);
    await lease.hold(digests);
    return lease;
  }
  const [digest] = digests;
  if (digest === undefined) throw new Error('no digest');
  const ingest = await LayerIngest.begin(dataDir, digest);
  writeSync(ingest.blobFd, rest.at(-1) ?? '');
  writeSync(ingest.dataFd, 'data');
  return ingest;
}

const held = await hold();
// Killed, it could not do so at its end.
flushCompileCache();
process.stdout.write('held\n');
// Referenced until the end, so that what is held stays reachable.
process.stdin.resume().on('end', () => process.exit(held === undefined ? 1 : 0));
