/** Auth files, credential helpers and settings that name them, in a directory of a test. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AuthFile,
  NO_REGISTRY_SETTINGS,
  type RegistrySettings,
} from '../../src/core/registry/registry-settings.ts';

/** `auth` of an entry. */
export function basicAuth(username: string, password: string): { auth: string } {
  return { auth: Buffer.from(`${username}:${password}`).toString('base64') };
}

/** A directory with docker's `config.json`, podman's `auth.json` and a directory for helpers. */
export class AuthHome implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'dray-auth-'));
  readonly docker: AuthFile = {
    path: join(this.directory, 'docker', 'config.json'),
    format: 'docker',
    isNamed: false,
  };
  readonly podman: AuthFile = {
    path: join(this.directory, 'containers', 'auth.json'),
    format: 'podman',
    isNamed: false,
  };
  readonly binDir = join(this.directory, 'bin');

  /** Docker's file first, then podman's; `login` writes to docker's. */
  settings(changes: Partial<RegistrySettings> = {}): RegistrySettings {
    return {
      ...NO_REGISTRY_SETTINGS,
      authFiles: [this.docker, this.podman],
      loginFile: this.docker,
      helperEnvironment: () => ({
        PATH: `${this.binDir}:/usr/bin:/bin`,
        HELPER_DIR: this.directory,
      }),
      ...changes,
    };
  }

  /** Writes an auth file: text as it is, anything else as JSON. */
  write(file: AuthFile, content: unknown): void {
    mkdirSync(join(file.path, '..'), { recursive: true });
    writeFileSync(file.path, typeof content === 'string' ? content : JSON.stringify(content));
  }

  /** Makes `docker-credential-NAME` of the lines of a shell script. */
  helper(name: string, ...lines: string[]): void {
    mkdirSync(this.binDir, { recursive: true });
    const script = ['#!/bin/sh', ...lines, ''].join('\n');
    writeFileSync(join(this.binDir, `docker-credential-${name}`), script, { mode: 0o755 });
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
