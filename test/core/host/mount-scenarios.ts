/**
 * What mount.test.ts runs in processes of their own: `node mount-scenarios.ts NAME DIRECTORY`.
 * Each moves into a private mount namespace, mounts things below DIRECTORY, and prints what it saw
 * as JSON. The mounts and loop devices end with the process.
 */
import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  PROBE_FILE_NAME,
  probeData,
  probeImage,
} from '../../../src/core/host/erofs-probe-image.ts';
import {
  probeErofsFile,
  probeErofsLoop,
  probeOverlay,
} from '../../../src/core/host/kernel-features.ts';
import {
  isErrno,
  mountCall,
  SystemCallError,
  setXattr,
  unsharePrivateMounts,
} from '../../../src/core/host/libc.ts';
import {
  mountErofs,
  mountErofsOverLoop,
  mountOverlay,
  mountTmpfs,
  unmount,
} from '../../../src/core/host/mount.ts';

const scenarios: Record<string, (directory: string) => unknown> = {
  privacy(directory) {
    const inside = join(directory, 'private');
    mkdirSync(inside);
    mountTmpfs(inside, { mode: 0o700 });
    writeFileSync(join(inside, 'seen'), '');
    process.stdout.write('mounted\n');
    // Until the test has looked at the same place from outside.
    readSync(0, Buffer.alloc(1));
    return readFileSync('/proc/self/mountinfo', 'utf8').includes(inside);
  },

  propagation(directory) {
    // This namespace plays the host, as on most hosts with mounts that spread to copies of it.
    mountTmpfs(directory, { mode: 0o700 });
    const MS_SHARED = 0x10_0000;
    mountCall(null, directory, { type: null, flags: MS_SHARED, data: null });
    const ours = makeDirectory(directory, 'ours');
    const theirs = makeDirectory(directory, 'theirs');
    const host = spawn('/bin/cat', { stdio: ['pipe', 'ignore', 'ignore'] });
    unsharePrivateMounts();
    mountTmpfs(ours, { mode: 0o700 });
    const asHost = ['--target', String(host.pid), '--mount'];
    execFileSync('nsenter', [...asHost, 'mount', '-t', 'tmpfs', 'theirs', theirs]);
    const seenByHost = readFileSync(`/proc/${host.pid}/mountinfo`, 'utf8');
    const seenByUs = readFileSync('/proc/self/mountinfo', 'utf8');
    host.kill('SIGKILL');
    return {
      host: [ours, theirs].map((path) => seenByHost.includes(path)),
      us: [ours, theirs].map((path) => seenByUs.includes(path)),
    };
  },

  tmpfs(directory) {
    mountTmpfs(directory, { mode: 0o751, sizeBytes: 1 << 20 });
    const { blocks, bsize } = statfsSync(directory);
    const mode = lstatSync(directory).mode & 0o7777;
    return { mode, sizeBytes: blocks * bsize, options: optionsOf(directory) };
  },

  'erofs-made-by-mkfs'(directory) {
    const ext4 = mountExt4(directory);
    const source = makeDirectory(ext4, 'source');
    writeFileSync(join(source, 'file'), 'content');
    writeFileSync(join(source, 'big'), Buffer.alloc(100_000, 'big'));
    const blob = join(ext4, 'blob');
    const separate = join(ext4, 'separate.erofs');
    const whole = join(ext4, 'whole.erofs');
    execFileSync('mkfs.erofs', [`--blobdev=${blob}`, '--chunksize=4096', separate, source]);
    execFileSync('mkfs.erofs', [whole, source]);
    const seen = (imageFile: string, dataFiles: string[], mount: typeof mountErofs) => {
      const mountPoint = makeDirectory(ext4, 'mnt');
      mount({ imageFile, dataFiles, mountPoint });
      const files = readdirSync(mountPoint).map((name) => [
        name,
        readFileSync(join(mountPoint, name)).equals(readFileSync(join(source, name))),
      ]);
      const options = optionsOf(mountPoint);
      unmount(mountPoint);
      rmSync(mountPoint, { recursive: true });
      return { files, options };
    };
    return [
      seen(whole, [], mountErofs),
      seen(separate, [blob], mountErofs),
      seen(whole, [], mountErofsOverLoop),
      seen(separate, [blob], mountErofsOverLoop),
    ];
  },

  'erofs-two-devices'(directory) {
    const ext4 = mountExt4(directory);
    // Longer than an option may be, so that the files are named by descriptors.
    const long = join(makeDirectory(ext4, 'd'.repeat(200)), 'f'.repeat(200));
    const files = { image: join(ext4, 'image'), data: long, zeros: join(ext4, 'zeros') };
    writeFileSync(files.image, twoDeviceImage());
    writeFileSync(files.data, probeData());
    writeFileSync(files.zeros, Buffer.alloc(4096));
    const mountPoint = makeDirectory(ext4, 'mnt');
    const read = (dataFiles: string[], mount: typeof mountErofs) => {
      try {
        mount({ imageFile: files.image, dataFiles, mountPoint });
      } catch (error) {
        return error instanceof SystemCallError ? error.errno : String(error);
      }
      const content = readFileSync(join(mountPoint, PROBE_FILE_NAME), 'latin1');
      unmount(mountPoint);
      return content;
    };
    return {
      inOrder: read([files.zeros, files.data], mountErofs),
      swapped: read([files.data, files.zeros], mountErofs),
      inOrderOverLoop: read([files.zeros, files.data], mountErofsOverLoop),
      swappedOverLoop: read([files.data, files.zeros], mountErofsOverLoop),
      tooFew: read([files.data], mountErofs),
      tooMany: read([files.data, files.data, files.data], mountErofs),
      missing: read([files.zeros, join(ext4, 'absent')], mountErofs),
      missingOverLoop: read([files.zeros, join(ext4, 'absent')], mountErofsOverLoop),
      descriptors: openDescriptors(),
    };
  },

  'erofs-unlinked'(directory) {
    const ext4 = mountExt4(directory);
    const imageFile = join(ext4, 'image');
    const data = join(ext4, 'data');
    writeFileSync(imageFile, probeImage());
    writeFileSync(data, probeData());
    const mountPoint = makeDirectory(ext4, 'mnt');
    mountErofs({ imageFile, dataFiles: [data], mountPoint });
    unlinkSync(imageFile);
    unlinkSync(data);
    return readFileSync(join(mountPoint, PROBE_FILE_NAME), 'utf8');
  },

  'erofs-on-tmpfs'(directory) {
    mountTmpfs(directory, { mode: 0o700 });
    const imageFile = join(directory, 'image');
    writeFileSync(imageFile, probeImage());
    const mount = {
      imageFile,
      dataFiles: [imageFile],
      mountPoint: makeDirectory(directory, 'mnt'),
    };
    try {
      mountErofs(mount);
      return 'mounted';
    } catch (error) {
      return [isErrno(error, 'ENOTBLK'), error instanceof Error && error.message];
    }
  },

  overlay(directory) {
    const ext4 = mountExt4(directory);
    const at = (name: string) => makeDirectory(ext4, name);
    const lower = at('lower,with:all\\of"them ');
    const second = at('second:lower');
    writeFileSync(join(lower, 'a'), 'upper one');
    writeFileSync(join(second, 'a'), 'lower one');
    writeFileSync(join(second, 'b'), 'b');
    const overlay = {
      lowerDirs: [lower, second],
      upperDir: at('upper\\,:'),
      workDir: at('work,:\\'),
      mountPoint: at('mnt,:\\'),
      volatile: true,
    };
    mountOverlay(overlay);
    const names = readdirSync(overlay.mountPoint);
    const content = readFileSync(join(overlay.mountPoint, 'a'), 'utf8');
    writeFileSync(join(overlay.mountPoint, 'a'), 'changed');
    unlinkSync(join(overlay.mountPoint, 'b'));
    const options = optionsOf(overlay.mountPoint);
    unmount(overlay.mountPoint);
    return {
      names,
      content,
      options,
      upper: readdirSync(overlay.upperDir),
      lower: readFileSync(join(lower, 'a'), 'utf8'),
      descriptors: openDescriptors(),
    };
  },

  'many-lower-directories'(directory) {
    const ext4 = mountExt4(directory);
    const lowerDirs = Array.from({ length: 40 }, (_, index) => {
      const path = makeDirectory(ext4, `${index}-${'l'.repeat(100)}`);
      writeFileSync(join(path, `f${index}`), '');
      return path;
    });
    const mountPoint = makeDirectory(ext4, 'mnt');
    mountOverlay({
      lowerDirs,
      upperDir: makeDirectory(ext4, 'upper'),
      workDir: makeDirectory(ext4, 'work'),
      mountPoint,
      volatile: false,
    });
    return { count: readdirSync(mountPoint).length, options: optionsOf(mountPoint) };
  },

  'overlay-obeys-no-lower-directory'(directory) {
    const ext4 = mountExt4(directory);
    const first = makeDirectory(ext4, 'first');
    const second = makeDirectory(ext4, 'second');
    mkdirSync(join(first, 'x'));
    mkdirSync(join(second, 'secret'));
    writeFileSync(join(second, 'secret', 'key'), 'secret');
    const name = Buffer.from('trusted.overlay.redirect');
    setXattr(Buffer.from(join(first, 'x')), name, Buffer.from('/secret'));
    const mountPoint = makeDirectory(ext4, 'mnt');
    mountOverlay({
      lowerDirs: [first, second],
      upperDir: makeDirectory(ext4, 'upper'),
      workDir: makeDirectory(ext4, 'work'),
      mountPoint,
      volatile: true,
    });
    return {
      control: existsSync(join(mountPoint, 'secret', 'key')),
      redirected: existsSync(join(mountPoint, 'x', 'key')),
    };
  },

  unmounting(directory) {
    mountTmpfs(directory, { mode: 0o700 });
    const link = `${directory}-link`;
    execFileSync('ln', ['-s', directory, link]);
    process.chdir(directory);
    const busy = errnoOf(() => unmount(directory));
    const throughLink = errnoOf(() => unmount(link));
    unmount(directory, { detach: true });
    const gone = !readFileSync('/proc/self/mountinfo', 'utf8').includes(directory);
    return { busy, throughLink, gone, again: errnoOf(() => unmount(directory)) };
  },

  probes(directory) {
    const ext4 = mountExt4(directory);
    const tmpfs = makeDirectory(ext4, 'tmpfs');
    mountTmpfs(tmpfs, { mode: 0o700 });
    const overlay = makeDirectory(ext4, 'overlay');
    mountOverlay({
      lowerDirs: [makeDirectory(ext4, 'lower')],
      upperDir: makeDirectory(ext4, 'upper'),
      workDir: makeDirectory(ext4, 'work'),
      mountPoint: overlay,
      volatile: true,
    });
    renameSync(makeDirectory(ext4, 'odd'), join(ext4, 'odd,:\\'));
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
    const results = Object.entries({ ext4, tmpfs, overlay, odd: join(ext4, 'odd,:\\') }).map(
      ([name, where]) => [
        name,
        [probeErofsFile, probeErofsLoop, probeOverlay].map((probe) => probe(where)),
        readdirSync(where).filter((entry) => entry.startsWith('.tmp-')),
      ],
    );
    const isUnchanged = readFileSync('/proc/self/mountinfo', 'utf8') === mounts;
    return { results, isUnchanged, descriptors: openDescriptors() };
  },
};

function mountExt4(directory: string): string {
  const image = join(directory, 'ext4.img');
  const mountPoint = makeDirectory(directory, 'ext4');
  execFileSync('truncate', ['-s', '32M', image]);
  execFileSync('mkfs.ext4', ['-q', '-E', 'lazy_itable_init=1', image]);
  execFileSync('mount', ['-o', 'loop', image, mountPoint]);
  return mountPoint;
}

/** The probe's image with a second device, where the file's content lies; the first is not used. */
function twoDeviceImage(): Buffer {
  const image = probeImage();
  const table = 2048;
  image.writeUInt16LE(2, 1024 + 86);
  image.writeUInt16LE(table / 128, 1024 + 88);
  for (const slot of [0, 1]) {
    image.writeUInt32LE(1, table + slot * 128 + 64);
    image.writeUInt32LE(1 + slot, table + slot * 128 + 68);
  }
  const chunkDevice = 1536 + 64 + 2;
  image.writeUInt16LE(2, chunkDevice);
  return image;
}

function makeDirectory(parent: string, name: string): string {
  const path = join(parent, name);
  mkdirSync(path);
  return path;
}

function optionsOf(mountPoint: string): string[] {
  const escaped = mountPoint.replace(/[\\ ]/g, (character) =>
    character === ' ' ? '\\040' : '\\134',
  );
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const fields = line.split(' ');
    if (fields[4] === escaped) {
      return `${fields[5]},${fields.at(-1)}`.split(',');
    }
  }
  return [];
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

function errnoOf(action: () => void): string {
  try {
    action();
    return 'none';
  } catch (error) {
    return error instanceof SystemCallError ? error.errno : String(error);
  }
}

const [name, directory] = process.argv.slice(2);
const scenario = scenarios[name ?? ''];
if (scenario === undefined || directory === undefined) {
  throw new TypeError(`no scenario ${name}`);
}
unsharePrivateMounts();
process.stdout.write(`${JSON.stringify(scenario(directory))}\n`);
