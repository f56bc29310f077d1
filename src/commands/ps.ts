import List from './list.ts';

/** `dray ps`: `list` as docker has it. */
export default class Ps extends List {
  static override summary = 'List containers that run; "dray list" shows all';
  static override showsAll = false;
}
