/** Entry of the program. Output is unbuffered, so it may end as soon as the status is known. */
import { dispatch } from './dispatch.ts';

// Without a listener Node answers SIGUSR1 with a debugger port that every local user can reach. Its
// flag against that would keep the signal from containers, too.
process.on('SIGUSR1', () => {});

dispatch(process.argv.slice(2)).then((status) => process.exit(status));
