/** Entry of the program. Output is unbuffered, so it may end as soon as the status is known. */
import { dispatch } from './dispatch.ts';

dispatch(process.argv.slice(2)).then((status) => process.exit(status));
