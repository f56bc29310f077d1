/** The floor of every run: a bundle that runc can start, prepared once, with nothing around it. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Makes a bundle in the new directory `bundleDir` whose process is busybox `true`. */
export function writeBareBundle(bundleDir: string): void {
  const rootDir = join(bundleDir, 'rootfs');
  for (const directory of ['bin', 'dev', 'proc', 'sys']) {
    mkdirSync(join(rootDir, directory), { recursive: true });
  }
  copyFileSync('/bin/busybox', join(rootDir, 'bin/true'));
  execFileSync('runc', ['spec', '--bundle', bundleDir]);
  const configFile = join(bundleDir, 'config.json');
  const config = JSON.parse(readFileSync(configFile, 'utf8'));
  config.process.terminal = false;
  config.process.args = ['/bin/true'];
  config.process.rlimits = [];
  writeFileSync(configFile, JSON.stringify(config));
}
