import Enter from './enter.ts';

/** `dray exec`: `enter` as docker has it, which wants a command. */
export default class Exec extends Enter {
  static override summary = 'Run a command in a running container, as "dray enter" does';
  static override description = 'Flags stand before CONTAINER.';
  static override usage = 'exec [FLAGS] CONTAINER COMMAND [ARG...]';
  static override examples = ['dray exec web nginx -s reload'];
  static override args = {
    container: Enter.args.container,
    command: { ...Enter.args.command, required: true },
  };
}
