/**
 * What scripts can depend on: commands, arguments, flags, and the shapes of JSON. It changes only
 * together with `surface.json`; UPDATE_SURFACE=1 writes that file anew.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { it } from 'node:test';
import { buildManifest } from '../../src/cli/build-manifest.ts';
import { containerJson } from '../../src/cli/container-fields.ts';
import { errorJson } from '../../src/cli/error-report.ts';
import { hostJson } from '../../src/cli/host-report.ts';
import {
  collectionJson,
  fetchedJson,
  imageJson,
  importedJson,
  inspectionJson,
  loadedJson,
} from '../../src/cli/image-json.ts';
import { removalJson } from '../../src/cli/removal.ts';
import { verificationJson } from '../../src/cli/verification.ts';
import { EngineError } from '../../src/core/errors.ts';
import { digestOf } from '../../src/core/oci/digest.ts';

const SURFACE_FILE = new URL('surface.json', import.meta.url);

/** The flags that every command has are listed once. */
const GLOBAL_COMMAND = 'help';

type Manifest = Awaited<ReturnType<typeof buildManifest>>;
type Command = Manifest['commands'][string];

function flagText(flag: Command['flags'][string]): string {
  const option = flag.type === 'option' ? flag : undefined;
  return [
    flag.char === undefined ? '' : `-${flag.char}`,
    `--${flag.name}`,
    ...(flag.aliases ?? []).map((alias) => `--${alias}`),
    option === undefined ? '' : `${option.options?.join('|') ?? 'VALUE'}`,
    option?.multiple ? '(repeatable)' : '',
    option?.default === undefined ? '' : `= ${option.default}`,
  ]
    .filter(Boolean)
    .join(' ');
}

function argText({ name, required, multiple }: Command['args'][string]): string {
  const text = `${name.toUpperCase()}${multiple ? '...' : ''}`;
  return required ? text : `[${text}]`;
}

function commandsOf(manifest: Manifest) {
  const globalTexts = Object.values(manifest.commands[GLOBAL_COMMAND]?.flags ?? {}).map(flagText);
  const commands = Object.entries(manifest.commands).map(([id, { aliases, args, flags }]) => [
    id.replaceAll(':', ' '),
    {
      aliases,
      args: Object.values(args).map(argText),
      flags: Object.values(flags)
        .map(flagText)
        .filter((text) => !globalTexts.includes(text))
        .sort(),
    },
  ]);
  return { globalFlags: globalTexts.sort(), commands: Object.fromEntries(commands) };
}

/** Keys and types of a value. */
function shapeOf(value: unknown): unknown {
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf);
  if (typeof value !== 'object') return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, shapeOf(part)]));
}

const imageId = digestOf('image');
const error = new EngineError('IMAGE_NOT_FOUND', 'x', { hint: 'y' });
const reference = 'docker.io/library/x:latest';
const at = new Date(0);

const JSON_SAMPLES = {
  error: errorJson(error),
  fetch: [fetchedJson({ imageId, reference, changed: true })],
  list: [
    containerJson({
      id: 'x',
      name: 'x',
      image: reference,
      command: ['x'],
      createdAt: at,
      phase: 'exited',
      exitStatus: 0,
      imageId,
      startedAt: at,
      finishedAt: at,
      health: 'healthy',
      labels: {},
      networks: ['x'],
      ports: [{ protocol: 'tcp', hostIp: '::1', hostPort: 1, containerPort: 1 }],
    }),
  ],
  'image list': [
    imageJson({
      imageId,
      reference,
      sizeBytes: 1,
      importedAt: at,
      lastUsedAt: at,
      manifestDigest: imageId,
      isDamaged: false,
    }),
  ],
  'image load': [loadedJson({ imageId, references: [reference], changed: true })],
  'image import': importedJson({ imageId, reference }),
  'image rm': removalJson({
    removed: [{ imageId, references: [reference], isStillNamed: false }],
    failures: [{ input: 'x', error }],
    damagedNames: [reference],
  }),
  'image gc': collectionJson({ removedFiles: 1, freedBytes: 1, removedContainers: 1 }),
  'image verify': [
    verificationJson({ imageId, reference, problems: [{ what: 'x', isRepaired: true }] }),
  ],
  'image inspect': inspectionJson({
    imageId,
    references: [reference],
    manifestDigest: imageId,
    platform: 'linux/amd64',
    importedAt: at,
    sizeBytes: 1,
    config: {},
    manifest: {},
  }),
  info: hostJson({
    version: '1',
    store: {
      path: '/',
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
    runtime: { path: '/', version: '1', knownHoles: ['x'] },
  }),
};

it('the surface is the one that surface.json records', async () => {
  const surface = { ...commandsOf(await buildManifest()), json: shapeOf(JSON_SAMPLES) };
  const text = `${JSON.stringify(surface, null, 2)}\n`;
  if (process.env.UPDATE_SURFACE === '1') writeFileSync(SURFACE_FILE, text);
  assert.deepEqual(surface, JSON.parse(readFileSync(SURFACE_FILE, 'utf8')));
});
