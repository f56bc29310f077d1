/**
 * A blob on its way through a file: it arrives as fast as its source gives it, and is read as fast as
 * its reader can, which may be far behind.
 *
 * Inflating and indexing are slower than a good network. If the source had to wait for them, what it
 * sent meanwhile would lie in the buffers of sockets, several MiB for each layer, and a kill would
 * lose it all. Here it is in the file, from which the next attempt goes on.
 */
import { FileReader } from '../host/file-reader.ts';
import { ArrivingBlob } from './arriving-blob.ts';

/** What a spool needs. */
export interface SpoolOptions {
  /** Read and write; stays the caller's, and is not touched any more once the loop has ended. */
  readonly fd: number;
  /** Bytes that `fd` has already, from its start on. */
  readonly keptBytes: number;
  /** The bytes that follow them; ends when its signal aborts. */
  readonly source: (signal: AbortSignal) => AsyncIterable<Buffer>;
  readonly signal: AbortSignal;
}

/**
 * All bytes: those that `fd` has, then those of `source`. When it ends well, or with a failure of the
 * source, which is thrown after the bytes that came before it, all of these are in the file.
 */
export async function* spooled(options: SpoolOptions): AsyncGenerator<Buffer> {
  const { fd, keptBytes, source, signal } = options;
  const leaving = new AbortController();
  const arriving = new ArrivingBlob(fd, keptBytes);
  const arrived = arriving.take(source(AbortSignal.any([signal, leaving.signal])));
  using file = new FileReader(fd);
  try {
    for (let at = 0; ; ) {
      const recent = arriving.recent(at);
      if (recent !== undefined) {
        at += recent.length;
        yield recent;
      } else if (at < arriving.inFile) {
        for await (const piece of file.read(at, arriving.inFile)) {
          at += piece.length;
          yield piece;
        }
      } else if (arriving.isEnded) {
        break;
      } else {
        await arriving.change();
      }
    }
    await arrived;
  } finally {
    leaving.abort();
    await arriving.settled();
  }
}
