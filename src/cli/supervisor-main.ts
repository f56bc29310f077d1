/** Entry of a supervisor: the process that a detached container's life hangs on. */
import { superviseDetached } from '../core/operations/supervise-detached.ts';
import { decodeSupervisorRequest } from '../core/operations/supervisor-request.ts';

type Handler = (name: NodeJS.Signals) => void;

const handlers = new Set<Handler>();
// Without a listener a signal would end the supervisor, and Node answers SIGUSR1 with a debugger.
const IGNORED = ['SIGUSR1', 'SIGUSR2', 'SIGPIPE'] as const;
for (const name of IGNORED) process.on(name, () => {});
for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const) {
  process.on(name, () => {
    // Whoever wants the supervisor to end wants the container to end, in its own way.
    for (const handler of handlers) handler('SIGTERM');
  });
}

const signals = {
  subscribe: (handler: Handler) => {
    handlers.add(handler);
    return { [Symbol.dispose]: () => void handlers.delete(handler) };
  },
};

superviseDetached(decodeSupervisorRequest(process.argv.at(-1) ?? ''), signals).then(
  () => process.exit(0),
  () => process.exit(1),
);
