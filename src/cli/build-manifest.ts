/** Makes the command manifest from the command classes; used by the build and when run from source. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Plugin } from '@oclif/core/config';
import type { Manifest } from '@oclif/core/interfaces';
import { COMMAND_LOADERS, loadCommand } from './command-table.ts';

const PACKAGE_FILE = new URL('../../package.json', import.meta.url);

/** The manifest of all commands, with the version of package.json. */
export async function buildManifest(): Promise<Manifest> {
  const pjson = JSON.parse(readFileSync(PACKAGE_FILE, 'utf8'));
  pjson.oclif.commands = { strategy: 'explicit', target: 'none' };
  const root = fileURLToPath(new URL('.', PACKAGE_FILE));
  const plugin = new Plugin({ root, pjson, isRoot: true, ignoreManifest: true });
  // The classes are given, so oclif does not look for them on the disk.
  Reflect.set(plugin, 'commandCache', await loadAll());
  await plugin.load();
  return plugin.manifest;
}

async function loadAll(): Promise<Record<string, unknown>> {
  const ids = Object.keys(COMMAND_LOADERS);
  return Object.fromEntries(await Promise.all(ids.map(async (id) => [id, await loadCommand(id)])));
}
