/**
 * The only file that knows node:ffi: it loads the C library that Node itself is linked to, and
 * binds a function of it when that function is first called. Loading costs about one millisecond,
 * so a command that needs no such call pays nothing.
 *
 * Everything here is for the main thread, synchronous, and unchecked: `libc.ts` and its neighbours
 * give the calls a meaning and turn their errno into errors.
 */
import type { DynamicLibrary, FunctionSignature, WrappedFunctionFromSignature } from 'node:ffi';
import { EngineError } from '../errors.ts';

type Ffi = typeof import('node:ffi');

interface NativeLibrary {
  readonly ffi: Ffi;
  readonly library: DynamicLibrary;
  /** Where the main thread's errno lives; a thread's errno never moves. */
  readonly errnoAddress: bigint;
}

let loaded: NativeLibrary | undefined;

function load(): NativeLibrary {
  if (loaded === undefined) {
    const ffi = loadFfi();
    const library = new ffi.DynamicLibrary(null);
    const errnoLocation = library.getFunction('__errno_location', {
      arguments: [],
      return: 'pointer',
    });
    loaded = { ffi, library, errnoAddress: errnoLocation() };
  }
  return loaded;
}

function loadFfi(): Ffi {
  const emitWarning = process.emitWarning;
  // Loading node:ffi emits an ExperimentalWarning that says nothing to the user of a container.
  process.emitWarning = () => {};
  try {
    const ffi = process.getBuiltinModule('node:ffi');
    if (ffi === undefined) {
      throw new EngineError('HOST_UNSUPPORTED', 'This Node was started without node:ffi.', {
        hint: 'Use Node 26.9 or newer, without --no-experimental-ffi.',
      });
    }
    return ffi;
  } finally {
    process.emitWarning = emitWarning;
  }
}

/**
 * A function of the C library, bound when the returned function is first called. Throws Node's
 * `ERR_FFI_CALL_FAILED` then if the C library lacks it. 64-bit integers are BigInt; pointers are
 * Buffers, strings (copied as UTF-8) or addresses.
 */
export function nativeFunction<const T extends FunctionSignature>(
  name: string,
  signature: T,
): () => WrappedFunctionFromSignature<T> {
  let bound: WrappedFunctionFromSignature<T> | undefined;
  return () => {
    bound ??= load().library.getFunction(name, signature);
    return bound;
  };
}

/** errno of the main thread; meaningful only right after a call that failed. */
export function lastErrno(): number {
  const { ffi, errnoAddress } = load();
  return ffi.getInt32(errnoAddress);
}

/** Where the first byte of `buffer` lies; meaningful as long as the buffer is alive. */
export function addressOf(buffer: Buffer): bigint {
  return load().ffi.getRawPointer(buffer);
}

/** The address of a buffer's memory, for a struct that points to it; the buffer must be kept. */
export function pointerTo(buffer: Buffer): bigint {
  return load().ffi.getRawPointer(buffer);
}
