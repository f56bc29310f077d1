/** A process that makes volumes until it is killed, or as many as it is told. Prints each name. */
import { writeSync } from 'node:fs';
import { lockVolumes, VolumeStore } from '../../../src/core/volume/volume-store.ts';

const [dataDir = '', prefix = '', count = ''] = process.argv.slice(2);
const most = count === '' ? Number.POSITIVE_INFINITY : Number(count);

for (let index = 0; index < most; index += 1) {
  const name = `${prefix}${index}`;
  using _lock = await lockVolumes(dataDir, 'shared');
  const { createdAt, labels } = VolumeStore.create(dataDir, {
    name,
    labels: { maker: String(process.pid) },
  });
  writeSync(1, `${name} ${createdAt} ${labels.maker}\n`);
}
