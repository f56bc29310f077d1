/** Small roots on disk, from a table of paths. */
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openRoot } from '../../../src/core/host/resolve-in-root.ts';
import type { MountedRoot } from '../../../src/core/runtime/working-directory.ts';
import { ScratchDirectory } from './container-fixture.ts';

/** What is at a path: `null` a directory, `{ link }` a symbolic link, a text a file. */
export type RootEntry = null | string | { readonly link: string };

/** A root that is removed, and closed, when it is disposed. */
export class TestRoot implements Disposable, MountedRoot {
  readonly #scratch = new ScratchDirectory();
  readonly path = join(this.#scratch.path, 'rootfs');
  readonly handle;

  constructor(entries: Readonly<Record<string, RootEntry>>) {
    mkdirSync(this.path);
    for (const [name, entry] of Object.entries(entries)) {
      const path = join(this.path, name);
      mkdirSync(dirname(path), { recursive: true });
      if (entry === null) {
        mkdirSync(path, { recursive: true });
      } else if (typeof entry === 'string') {
        writeFileSync(path, entry);
        chmodSync(path, 0o755);
      } else {
        symlinkSync(entry.link, path);
      }
    }
    this.handle = openRoot(this.path);
  }

  /** A directory beside the root, for what must not be touched through it. */
  get outside(): string {
    return this.#scratch.path;
  }

  [Symbol.dispose](): void {
    this.handle[Symbol.dispose]();
    this.#scratch[Symbol.dispose]();
  }
}
