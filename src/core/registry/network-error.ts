/** What the errors of Node's network stack mean. */
import { EngineError } from '../errors.ts';
import { TransientError } from './retry.ts';

/** Failures of one connection that the next one may not have. */
const PASSING: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
]);

const MEANING: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'nothing accepts connections there'],
  ['ENOTFOUND', 'no such host is known'],
  ['EAI_AGAIN', 'the name server did not answer'],
  ['ECONNRESET', 'the connection was cut'],
  ['ECONNABORTED', 'the connection was cut'],
  ['EPIPE', 'the connection was cut'],
  ['ETIMEDOUT', 'the connection timed out'],
  ['ENETUNREACH', 'the network is unreachable'],
  ['EHOSTUNREACH', 'the host is unreachable'],
]);

/**
 * Turns an error of a connection to `host` into one that the user can act on.
 *
 * @returns a `TransientError` where another attempt may help.
 */
export function networkError(error: unknown, host: string, doing: string): EngineError {
  const code = codeOf(error);
  const what = `cannot ${doing}`;
  const meaning = MEANING.get(code);
  if (PASSING.has(code)) {
    return new TransientError('REGISTRY_UNAVAILABLE', `${what}: ${meaning} (${host})`, {
      cause: error,
    });
  }
  if (meaning !== undefined) {
    return new EngineError('REGISTRY_UNAVAILABLE', `${what}: ${meaning} (${host})`, {
      cause: error,
      hint: `Check the name and the port of "${host}" and that this machine can reach it.`,
    });
  }
  if (code.startsWith('HPE_')) {
    return new EngineError(
      'REGISTRY_RESPONSE_INVALID',
      `${what}: ${host} does not answer in HTTP, or with headers that are too large (${code})`,
      { cause: error },
    );
  }
  return isTls(code) ? tlsError(error, what, host, code) : otherError(error, what, host);
}

function tlsError(error: unknown, what: string, host: string, code: string): EngineError {
  return new EngineError(
    'REGISTRY_UNAVAILABLE',
    `${what}: the TLS connection to ${host} cannot be trusted (${code}: ${messageOf(error)})`,
    {
      cause: error,
      hint: `If "${host}" speaks plain http and its network is trusted, use --insecure-registry ${host}.`,
    },
  );
}

function otherError(error: unknown, what: string, host: string): EngineError {
  return new EngineError('REGISTRY_UNAVAILABLE', `${what}: ${messageOf(error)} (${host})`, {
    cause: error,
  });
}

function isTls(code: string): boolean {
  return (
    /^(ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_)/.test(code) ||
    code === 'EPROTO'
  );
}

function codeOf(error: unknown): string {
  // Several addresses were tried: the last failure stands for all.
  if (error instanceof AggregateError) return codeOf(error.errors.at(-1));
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
