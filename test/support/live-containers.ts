/** Containers that outlive the command that started them, for end-to-end tests. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { layoutImageId } from './e2e.ts';
import { realImage } from './real-images.ts';
import { CliHome } from './run-cli.ts';

/** A home with busybox in it. Disposing removes its containers, running ones too, and then the home. */
export class LiveHome extends CliHome {
  /** Fetches busybox; returns its image id. */
  async fetchBusybox(): Promise<string> {
    const image = await realImage('busybox');
    await this.succeed(['fetch', '--quiet', `oci:${image.layoutDir}`]);
    return layoutImageId(image);
  }

  /** Directory of a container. */
  containerDir(id: string): string {
    return join(this.dataDir, 'containers', id);
  }

  /** Ids of the containers that there are. */
  containerIds(): string[] {
    const directory = join(this.dataDir, 'containers');
    return existsSync(directory)
      ? readdirSync(directory).filter((name) => /^[0-9a-f]{64}$/.test(name))
      : [];
  }

  /** What was written down about the run of a container; undefined before. */
  runState(id: string): { readonly supervisor: { readonly pid: number } } | undefined {
    const file = join(this.containerDir(id), 'run.json');
    return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    const ids = this.containerIds();
    if (ids.length > 0) await this.run(['rm', '--force', '--volumes', ...ids]);
    await super[Symbol.asyncDispose]();
  }
}
