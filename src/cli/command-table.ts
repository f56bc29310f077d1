/**
 * Every command and how to load it. Loaded one by one: a command's module, and what it imports, is
 * evaluated only when that command runs. This file is the only one in `cli` that names commands.
 */
import type { Config } from '@oclif/core/config';
import type { BaseCommand } from './base-command.ts';

/** A command class: oclif's statics, a constructor, and `execute`. */
export type CommandClass = typeof BaseCommand &
  (new (
    argv: string[],
    config: Config,
  ) => BaseCommand);

type Loader = () => Promise<{ readonly default: unknown }>;

/** oclif command id (words joined by a colon) → its module. */
export const COMMAND_LOADERS: Readonly<Record<string, Loader>> = {
  commit: () => import('../commands/commit.ts'),
  cp: () => import('../commands/cp.ts'),
  create: () => import('../commands/create.ts'),
  diff: () => import('../commands/diff.ts'),
  enter: () => import('../commands/enter.ts'),
  exec: () => import('../commands/exec.ts'),
  export: () => import('../commands/export.ts'),
  fetch: () => import('../commands/fetch.ts'),
  gc: () => import('../commands/gc.ts'),
  help: () => import('../commands/help.ts'),
  'image:export': () => import('../commands/image/export.ts'),
  'image:gc': () => import('../commands/image/gc.ts'),
  'image:import': () => import('../commands/image/import.ts'),
  'image:inspect': () => import('../commands/image/inspect.ts'),
  'image:list': () => import('../commands/image/list.ts'),
  'image:load': () => import('../commands/image/load.ts'),
  'image:push': () => import('../commands/image/push.ts'),
  'image:rm': () => import('../commands/image/rm.ts'),
  'image:save': () => import('../commands/image/save.ts'),
  'image:tag': () => import('../commands/image/tag.ts'),
  'image:tags': () => import('../commands/image/tags.ts'),
  'image:verify': () => import('../commands/image/verify.ts'),
  info: () => import('../commands/info.ts'),
  inspect: () => import('../commands/inspect.ts'),
  kill: () => import('../commands/kill.ts'),
  list: () => import('../commands/list.ts'),
  login: () => import('../commands/login.ts'),
  logout: () => import('../commands/logout.ts'),
  logs: () => import('../commands/logs.ts'),
  'network:connect': () => import('../commands/network/connect.ts'),
  'network:create': () => import('../commands/network/create.ts'),
  'network:disconnect': () => import('../commands/network/disconnect.ts'),
  'network:inspect': () => import('../commands/network/inspect.ts'),
  'network:list': () => import('../commands/network/list.ts'),
  'network:prune': () => import('../commands/network/prune.ts'),
  'network:reload': () => import('../commands/network/reload.ts'),
  'network:rm': () => import('../commands/network/rm.ts'),
  pause: () => import('../commands/pause.ts'),
  ps: () => import('../commands/ps.ts'),
  port: () => import('../commands/port.ts'),
  rename: () => import('../commands/rename.ts'),
  restart: () => import('../commands/restart.ts'),
  rm: () => import('../commands/rm.ts'),
  'run-prepared': () => import('../commands/run-prepared.ts'),
  run: () => import('../commands/run.ts'),
  start: () => import('../commands/start.ts'),
  stats: () => import('../commands/stats.ts'),
  status: () => import('../commands/status.ts'),
  stop: () => import('../commands/stop.ts'),
  top: () => import('../commands/top.ts'),
  'trust:add': () => import('../commands/trust/add.ts'),
  'trust:default': () => import('../commands/trust/default.ts'),
  'trust:list': () => import('../commands/trust/list.ts'),
  'trust:rm': () => import('../commands/trust/rm.ts'),
  unpause: () => import('../commands/unpause.ts'),
  version: () => import('../commands/version.ts'),
  'volume:create': () => import('../commands/volume/create.ts'),
  'volume:inspect': () => import('../commands/volume/inspect.ts'),
  'volume:list': () => import('../commands/volume/list.ts'),
  'volume:prune': () => import('../commands/volume/prune.ts'),
  'volume:rm': () => import('../commands/volume/rm.ts'),
  wait: () => import('../commands/wait.ts'),
};

/** Loads the class of a command. `id` must be a key of `COMMAND_LOADERS`. */
export async function loadCommand(id: string): Promise<CommandClass> {
  const loader = COMMAND_LOADERS[id];
  if (loader === undefined) throw new Error(`there is no command ${id}`);
  const command = (await loader()).default as CommandClass;
  command.id = id;
  return command;
}
