/** What all commands share: global flags, the engine, cancelling, and the exit status. */
import { Command } from '@oclif/core/command';
import type { Config } from '@oclif/core/config';
import { EngineError } from '../core/errors.ts';
import type { Engine, EngineSettings } from '../core/operations/engine.ts';
import { EXIT } from './exit-status.ts';
import { globalFlags } from './global-flags.ts';
import { printJson } from './output.ts';
import { ProcessSignals } from './process-signals.ts';
import { resolveSettings, type SettingsFlags } from './settings.ts';

/** A command of dray. `run()` parses, calls one operation and prints; its result is the JSON. */
export abstract class BaseCommand extends Command {
  static override baseFlags = globalFlags;

  /**
   * Flags end at the first argument, and what follows it belongs to a container: nothing of it is
   * read here, and every signal is passed on.
   */
  static stopsAtPositional = false;

  /** Every signal is passed on to a container, although flags do not end at the first argument. */
  static passesSignals = false;

  /** What dead containers have left is removed by the operation itself, when it is not in the way. */
  static sweepsLater = false;

  /** Status to end with when `run()` returns. */
  exitStatus: number = EXIT.success;

  #signals: ProcessSignals | undefined;

  /** Runs a command class on canonical arguments and resolves to its exit status. */
  static async execute(
    this: new (
      argv: string[],
      config: Config,
    ) => BaseCommand,
    argv: readonly string[],
    config: Config,
  ): Promise<number> {
    const command = new this([...argv], config);
    await command._run();
    return command.exitStatus;
  }

  /** Signals of this process; they have their usual effect until this is first asked for. */
  protected get signals(): ProcessSignals {
    const { stopsAtPositional, passesSignals } = this.ctor as typeof BaseCommand;
    this.#signals ??= new ProcessSignals({ isPassedOn: stopsAtPositional || passesSignals });
    return this.#signals;
  }

  /** Aborted when the user cancels. */
  protected get signal(): AbortSignal {
    return this.signals.signal;
  }

  /**
   * Opens the store that flags and environment name, and removes what dead containers have left.
   *
   * @throws EngineError `PERMISSION_DENIED` for anyone but root, before anything is touched
   */
  protected async openEngine(flags: SettingsFlags): Promise<Engine> {
    requireRoot(process.geteuid?.(), this.id);
    const { openEngine } = await import('../core/operations/engine.ts');
    const engine = openEngine(this.settings(flags));
    if (!(this.ctor as typeof BaseCommand).sweepsLater) {
      const { sweepQuietly } = await import('../core/operations/dead-containers.ts');
      await sweepQuietly(engine, { waits: true });
    }
    return engine;
  }

  /** What flags and environment say, for a command that needs no store. */
  protected settings(flags: SettingsFlags): EngineSettings {
    return resolveSettings(flags, this.config.version);
  }

  /** Once cancelled, whatever failed did so because of that. */
  protected override async catch(error: Error): Promise<never> {
    const signal = this.#signals?.signal;
    throw signal?.aborted ? signal.reason : error;
  }

  protected override async finally(): Promise<void> {
    this.#signals?.[Symbol.dispose]();
  }

  protected override logJson(json: unknown): void {
    printJson(json);
  }
}

/** Every use of the store needs root: mounts, owners of files, devices. */
function requireRoot(euid: number | undefined, id: string | undefined): void {
  if (euid === 0) return;
  const words = ['sudo dray', ...(id?.split(':') ?? [])].join(' ');
  throw new EngineError('PERMISSION_DENIED', `dray needs root, and this is user ${euid}`, {
    hint: `Run it as "${words} …".`,
  });
}
