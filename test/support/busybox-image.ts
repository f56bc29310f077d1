/** A small image that runs: the machine's static busybox with its applets, users and groups. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type BuiltImage, buildImage, type ImageRecipe } from './image-builder.ts';
import { type TarEntrySpec, tarOf } from './tar-builder.ts';

const BUSYBOX = '/bin/busybox';

/** The image config that makes a shell the default command. */
const SHELL_CONFIG = { Cmd: ['sh'], Env: ['PATH=/bin:/sbin:/usr/bin:/usr/sbin'] };

/** The tar of a busybox root, followed by `more` entries. */
export function busyboxLayer(more: readonly TarEntrySpec[] = []): Buffer {
  const applets = execFileSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).trim().split('\n');
  return tarOf([
    ...['bin', 'dev', 'etc', 'proc', 'sys', 'var'].map((name) => ({ name, type: 'directory' })),
    { name: 'root', type: 'directory', mode: 0o700 },
    { name: 'tmp', type: 'directory', mode: 0o1777 },
    { name: 'bin/busybox', mode: 0o755, content: readFileSync(BUSYBOX) },
    ...applets
      .filter((applet) => applet !== 'busybox')
      .map((applet) => ({ name: `bin/${applet}`, type: 'symlink', link: 'busybox' })),
    { name: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n' },
    { name: 'etc/group', content: 'root:x:0:\napp:x:1000:\naudio:x:29:app\n' },
    ...more,
  ]);
}

/** A busybox image; `recipe` adds to its config or replaces its layers. */
export function busyboxImage(recipe: ImageRecipe = {}): BuiltImage {
  return buildImage({
    layers: [busyboxLayer()],
    ...recipe,
    config: { ...SHELL_CONFIG, ...recipe.config },
  });
}
