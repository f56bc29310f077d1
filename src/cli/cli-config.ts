/**
 * oclif's `Config`, filled in instead of loaded: `Config.load` scans for plugins, reads a theme and
 * other files of the user's home, and detects a shell, none of which a root tool should do.
 */
import type { Command } from '@oclif/core/command';
import { Config } from '@oclif/core/config';
import type { Manifest, PJSON, Topic } from '@oclif/core/interfaces';
import { loadCommand } from './command-table.ts';

/** What a command and the help need to know of the program. */
export class CliConfig extends Config {
  readonly #commands: Command.Loadable[];

  constructor(manifest: Manifest) {
    super({ root: '/' });
    const oclif = { bin: 'dray', topicSeparator: ' ', topics: TOPICS, description: DESCRIPTION };
    this.pjson = { name: 'dray', version: manifest.version, oclif } as unknown as PJSON;
    this.bin = 'dray';
    this.name = 'dray';
    this.dirname = 'dray';
    this.root = '/';
    this.version = manifest.version;
    this.userAgent = `dray/${manifest.version}`;
    this.topicSeparator = ' ';
    this.platform = 'linux';
    this.shell = 'sh';
    this.#commands = Object.entries(manifest.commands).map(([id, command]) => ({
      ...command,
      load: async () => (await loadCommand(id)) as unknown as Command.Class,
    }));
  }

  override get commands(): Command.Loadable[] {
    return this.#commands;
  }

  override get topics(): Topic[] {
    return Object.entries(TOPICS).map(([name, topic]) => ({ name, ...topic }));
  }

  override findCommand(id: string, options: { must: true }): Command.Loadable;
  override findCommand(id: string): Command.Loadable | undefined;
  override findCommand(id: string): Command.Loadable | undefined {
    return this.#commands.find((command) => command.id === id);
  }

  override findTopic(name: string, options: { must: true }): Topic;
  override findTopic(name: string): Topic | undefined;
  override findTopic(name: string): Topic | undefined {
    return this.topics.find((topic) => topic.name === name);
  }

  /** There are no hooks. */
  override async runHook(): Promise<{ successes: []; failures: [] }> {
    return { successes: [], failures: [] };
  }
}

const DESCRIPTION = 'Run containers from images, without a daemon.';

const TOPICS: Readonly<Record<string, { readonly description: string }>> = {
  image: { description: 'Look at images and manage them' },
  volume: { description: 'Look at volumes and manage them' },
};
