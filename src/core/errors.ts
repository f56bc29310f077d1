/**
 * The error model of the engine.
 *
 * Everything that a user can act on is an `EngineError`: one sentence that says what failed, where,
 * what was expected and what was found, plus a hint that can be pasted. Anything else that is thrown
 * is a bug and is printed with its stack. Subclasses exist only where somebody branches on them or
 * they carry facts.
 */

import { isUtf8 } from 'node:buffer';

/** Every code an `EngineError` can carry; `docs/errors.md` lists them and a test keeps both equal. */
export type ErrorCode =
  | 'USAGE_INVALID'
  | 'REFERENCE_INVALID'
  | 'DIGEST_INVALID'
  | 'IMAGE_NOT_FOUND'
  | 'IMAGE_AMBIGUOUS'
  | 'IMAGE_INVALID'
  | 'PLATFORM_NOT_FOUND'
  | 'MEDIA_TYPE_UNSUPPORTED'
  | 'TRUST_REFUSED'
  | 'DIGEST_MISMATCH'
  | 'SIZE_MISMATCH'
  | 'CREDENTIALS_UNAVAILABLE'
  | 'REGISTRY_UNAUTHORIZED'
  | 'REGISTRY_NOT_FOUND'
  | 'REGISTRY_UNAVAILABLE'
  | 'REGISTRY_RESPONSE_INVALID'
  | 'REGISTRY_BLOCKED'
  | 'CONFIG_INVALID'
  | 'LAYER_INVALID'
  | 'LAYER_ENTRY_REJECTED'
  | 'ROOTFS_UNAVAILABLE'
  | 'STORE_CORRUPT'
  | 'STORE_UNUSABLE'
  | 'STORE_VERSION_UNSUPPORTED'
  | 'CONTAINER_NOT_FOUND'
  | 'CONTAINER_NAME_IN_USE'
  | 'CONTAINER_WRONG_PHASE'
  | 'VOLUME_NOT_FOUND'
  | 'VOLUME_IN_USE'
  | 'NETWORK_NOT_FOUND'
  | 'NETWORK_IN_USE'
  | 'NETWORK_FAILED'
  | 'PORT_IN_USE'
  | 'COMMAND_NOT_FOUND'
  | 'COMMAND_NOT_EXECUTABLE'
  | 'HOST_UNSUPPORTED'
  | 'HOST_CALL_FAILED'
  | 'PERMISSION_DENIED'
  | 'RUNTIME_NOT_FOUND'
  | 'RUNTIME_FAILED'
  | 'CANCELLED';

/** Optional parts of an `EngineError`. */
export interface EngineErrorOptions {
  /** One imperative sentence, with a command that can be pasted where there is one. */
  readonly hint?: string;
  /** The error that this one explains. */
  readonly cause?: unknown;
}

/** An error that the user can act on. `message` is one line; control bytes in it are escaped. */
export class EngineError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: EngineErrorOptions = {}) {
    super(escapeControls(message), options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'EngineError';
    this.code = code;
    this.hint = options.hint;
  }
}

const LONGEST_QUOTE = 200;

/** A shorter text would stand in too many words, and hiding it there would tell it. */
const SHORTEST_SECRET = 4;
const secrets = new Set<string>();

/**
 * From now on `quote` and `hideSecrets` show `[hidden]` where an outside value holds `secret`, as it is
 * or percent-encoded: a server may send back what it was sent. Texts of less than four characters are
 * not looked for. Process-wide, because an error does not know which secrets its values met.
 */
export function hideInMessages(secret: string): void {
  if (secret.length < SHORTEST_SECRET) return;
  secrets.add(secret);
  secrets.add(encodeURIComponent(secret.toWellFormed()));
}

/** `text` without the secrets that `hideInMessages` was told; for outside values that are not quoted. */
export function hideSecrets(text: string): string {
  // The longest first: one secret may be a part of another.
  const hidden = [...secrets].sort((a, b) => b.length - a.length);
  return hidden.reduce((shown, secret) => shown.replaceAll(secret, '[hidden]'), text);
}

/**
 * Quotes a value that came from outside for an error message: control and bidirectional characters
 * are escaped and anything over 200 characters is cut, so that hostile input cannot move the cursor,
 * forge a second line, or flood a terminal. Secrets that `hideInMessages` was told are hidden.
 */
export function quote(value: string): string {
  const shown = secrets.size === 0 ? value : hideSecrets(value);
  const text = shown.length > LONGEST_QUOTE ? `${shown.slice(0, LONGEST_QUOTE)}…` : shown;
  return `"${escapeControls(text)}"`;
}

/**
 * Quotes a name of a file inside an image, given as a latin1 string of its bytes: as text where the
 * bytes are UTF-8, and else with every byte beyond ASCII as `\xNN`. Escapes and cuts as `quote` does.
 */
export function quoteBytes(latin1: string): string {
  const bytes = Buffer.from(latin1, 'latin1');
  if (isUtf8(bytes)) return quote(bytes.toString('utf8'));
  return quote(latin1).replace(/[\u0080-\u00ff]/g, escapeCharacter);
}

/** Escapes C0, DEL, C1 and bidirectional control characters as `\xNN` or `\uNNNN`. */
export function escapeControls(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    escapeCharacter,
  );
}

function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x100
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
}

/** Whether `error` is a system error with this code, such as `ENOENT`. */
export function hasErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
