/** One thing done to several containers, each on its own. */
import { EngineError } from '../errors.ts';

/** An input with which it did not work. */
export interface ContainerFailure {
  readonly input: string;
  readonly error: EngineError;
}

/** What was done. */
export interface ContainerOutcome<T> {
  readonly done: readonly { readonly input: string; readonly result: T }[];
  readonly failures: readonly ContainerFailure[];
}

/** Calls `work` for all inputs at once; an EngineError of one does not hinder the others. */
export async function forEachContainer<T>(
  inputs: readonly string[],
  work: (input: string) => Promise<T>,
): Promise<ContainerOutcome<T>> {
  return outcomeOf(inputs, await Promise.allSettled(inputs.map(work)));
}

/** The same, one after the other. */
export async function eachInTurn<T>(
  inputs: readonly string[],
  work: (input: string) => Promise<T>,
): Promise<ContainerOutcome<T>> {
  const outcomes: PromiseSettledResult<T>[] = [];
  for (const input of inputs) outcomes.push(...(await Promise.allSettled([work(input)])));
  return outcomeOf(inputs, outcomes);
}

function outcomeOf<T>(
  inputs: readonly string[],
  outcomes: readonly PromiseSettledResult<T>[],
): ContainerOutcome<T> {
  const done: { input: string; result: T }[] = [];
  const failures: ContainerFailure[] = [];
  for (const [index, outcome] of outcomes.entries()) {
    const input = inputs[index] ?? '';
    if (outcome.status === 'fulfilled') done.push({ input, result: outcome.value });
    else if (outcome.reason instanceof EngineError) failures.push({ input, error: outcome.reason });
    else throw outcome.reason;
  }
  return { done, failures };
}
