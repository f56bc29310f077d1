/**
 * How each real image is made: trees from Debian's own tools, turned into layers by umoci, whose
 * tars lack the two closing zero blocks. Each recipe gets an empty directory on a tmpfs and returns
 * the layout that it made there.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { addBigFiles, addSmallFiles, copyMachineFiles } from './app-tree.ts';

/** The tag under which every real image stands in its layout. */
export const REAL_IMAGE_TAG = 'latest';

/** Every recipe there is. */
export const RECIPE_NAMES = ['busybox', 'debian', 'layers-100', 'layers-1', 'app'] as const;

export type RecipeName = (typeof RECIPE_NAMES)[number];

/** Raised when a recipe changes, so that a cached image of the old recipe is not used. */
export const RECIPE_VERSION: Readonly<Record<RecipeName, number>> = {
  busybox: 1,
  debian: 1,
  'layers-100': 1,
  'layers-1': 1,
  app: 1,
};

const PATH_VARIABLE = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What a recipe stands on. */
export interface RecipeOptions {
  /** An empty directory on a file system that makes files fast. */
  readonly workDir: string;
  /** Gives the finished layout of another image. */
  readonly base: (name: RecipeName) => Promise<string>;
}

/** Builds `name` below the work directory and returns the directory of the finished layout. */
export async function buildRecipe(name: RecipeName, options: RecipeOptions): Promise<string> {
  const { workDir, base } = options;
  const layoutDir = join(workDir, 'layout');
  const treeDir = join(workDir, 'tree');
  switch (name) {
    case 'busybox':
      makeBusyboxTree(treeDir);
      startLayout(layoutDir);
      addLayer(layoutDir, treeDir);
      configure(layoutDir, ['--config.cmd', 'sh']);
      break;
    case 'debian':
      makeDebianTree(treeDir);
      startLayout(layoutDir);
      addLayer(layoutDir, treeDir);
      configure(layoutDir, ['--config.cmd', 'bash']);
      break;
    case 'layers-1':
      startLayout(layoutDir);
      makeLayeredTree(treeDir, () => {});
      addLayer(layoutDir, treeDir);
      configure(layoutDir, ['--config.cmd', 'sh']);
      break;
    case 'layers-100':
      startLayout(layoutDir);
      makeLayeredTree(treeDir, () => {
        addLayer(layoutDir, treeDir);
        rmSync(treeDir, { recursive: true });
      });
      configure(layoutDir, ['--config.cmd', 'sh']);
      break;
    case 'app':
      cpSync(await base('debian'), layoutDir, { recursive: true });
      addAppLayers(layoutDir, treeDir);
      configure(layoutDir, ['--config.cmd', 'bash', '--config.workingdir', '/srv/app']);
      break;
  }
  return layoutDir;
}

function umoci(...argv: string[]): void {
  execFileSync('umoci', argv, { stdio: ['ignore', 'ignore', 'inherit'] });
}

function startLayout(layoutDir: string): void {
  umoci('init', '--layout', layoutDir);
  umoci('new', '--image', `${layoutDir}:${REAL_IMAGE_TAG}`);
}

function addLayer(layoutDir: string, treeDir: string): void {
  umoci('insert', '--image', `${layoutDir}:${REAL_IMAGE_TAG}`, treeDir, '/');
}

/** Sets the image config, then drops the blobs of the intermediate images. */
function configure(layoutDir: string, options: readonly string[]): void {
  const image = `${layoutDir}:${REAL_IMAGE_TAG}`;
  umoci('config', '--image', image, '--config.env', PATH_VARIABLE, ...options);
  umoci('gc', '--layout', layoutDir);
}

function makeBusyboxTree(treeDir: string): void {
  for (const directory of ['bin', 'dev', 'etc', 'home/app', 'root', 'tmp', 'usr/bin', 'var/tmp']) {
    mkdirSync(join(treeDir, directory), { recursive: true });
  }
  chmodSync(join(treeDir, 'tmp'), 0o1777);
  chmodSync(join(treeDir, 'root'), 0o700);
  const busybox = join(treeDir, 'bin/busybox');
  copyFileSync('/bin/busybox', busybox);
  chmodSync(busybox, 0o755);
  for (const applet of execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n')) {
    if (applet !== 'busybox') symlinkSync('busybox', join(treeDir, 'bin', applet));
  }
  writeFileSync(
    join(treeDir, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n' +
      'nobody:x:65534:65534:nobody:/:/bin/false\n',
  );
  writeFileSync(
    join(treeDir, 'etc/group'),
    'root:x:0:\napp:x:1000:\naudio:x:29:app\nvideo:x:44:app\nnogroup:x:65534:\n',
  );
}

function makeDebianTree(treeDir: string): void {
  execFileSync('debootstrap', ['--variant=minbase', 'bookworm', treeDir, debianMirror()], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  for (const derived of ['var/cache/apt', 'var/lib/apt/lists']) {
    rmSync(join(treeDir, derived), { recursive: true });
    mkdirSync(join(treeDir, derived));
  }
}

/** The mirror that this machine's apt uses for Debian itself. */
function debianMirror(): string {
  const sourcesDir = '/etc/apt/sources.list.d';
  const files = [
    '/etc/apt/sources.list',
    ...readdirSync(sourcesDir).map((n) => `${sourcesDir}/${n}`),
  ];
  for (const file of files) {
    const text = readOptional(file);
    for (const paragraph of file.endsWith('.sources') ? text.split(/\n\s*\n/) : text.split('\n')) {
      if (!/^deb|^Types:.*\bdeb\b/m.test(paragraph) || !/\bbookworm\b(?!-)/.test(paragraph))
        continue;
      const url = /https?:\/\/\S+/.exec(paragraph.replace(/^#.*$/gm, ''))?.[0];
      if (url !== undefined) return url;
    }
  }
  throw new Error(`no mirror of Debian bookworm in ${files.join(', ')}`);
}

function readOptional(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}

const LAYERS = 100;
const FILES_PER_LAYER = 50;

/** Calls `onLayer` after each of 100 parts; with one that empties the tree each part is a layer. */
function makeLayeredTree(treeDir: string, onLayer: () => void): void {
  makeBusyboxTree(treeDir);
  for (let layer = 1; layer <= LAYERS; layer += 1) {
    const directory = join(treeDir, `srv/part-${layer}`);
    mkdirSync(directory, { recursive: true });
    for (let file = 1; file <= FILES_PER_LAYER; file += 1) {
      writeFileSync(join(directory, `file-${file}`), `layer ${layer} file ${file}\n`.repeat(file));
    }
    mkdirSync(join(treeDir, 'etc'), { recursive: true });
    writeFileSync(join(treeDir, 'etc/newest-layer'), `${layer}\n`);
    onLayer();
  }
}

/** What a distribution installs on Debian, an application of many small files, big assets. */
function addAppLayers(layoutDir: string, treeDir: string): void {
  const fillings: readonly (() => void)[] = [
    () => copyMachineFiles(join(treeDir, 'usr')),
    () => addSmallFiles(join(treeDir, 'srv/app/node_modules')),
    () => addBigFiles(join(treeDir, 'srv/app/assets')),
  ];
  for (const fill of fillings) {
    mkdirSync(treeDir);
    fill();
    addLayer(layoutDir, treeDir);
    rmSync(treeDir, { recursive: true });
  }
}
