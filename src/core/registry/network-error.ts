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

/** What fails in a connection that is not to be trusted, by what OpenSSL and Node call it. */
const UNTRUSTED: ReadonlyMap<string, string> = new Map([
  ...[
    'UNABLE_TO_GET_ISSUER_CERT',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'CERT_UNTRUSTED',
  ].map((code): [string, string] => [code, 'no trusted authority has signed its certificate']),
  ['CERT_HAS_EXPIRED', 'its certificate has expired'],
  ['CERT_NOT_YET_VALID', 'its certificate is not valid yet; is the clock of this machine right?'],
  ['CERT_REVOKED', 'its certificate has been revoked'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'its certificate is for another name'],
  ['HOSTNAME_MISMATCH', 'its certificate is for another name'],
]);

/**
 * Turns an error of a connection to `host` into one that the user can act on.
 *
 * @param failed what was attempted, as in "cannot …"; and the host of the proxy that the connection
 * went through, if it did.
 * @returns a `TransientError` where another attempt may help.
 */
export function networkError(
  error: unknown,
  host: string,
  { doing, proxy }: { readonly doing: string; readonly proxy?: string | undefined },
): EngineError {
  const code = codeOf(error);
  const what = `cannot ${doing}${proxy === undefined ? '' : ` through the proxy ${proxy}`}`;
  const meaning = MEANING.get(code);
  if (PASSING.has(code)) {
    return new TransientError('REGISTRY_UNAVAILABLE', `${what}: ${meaning} (${proxy ?? host})`, {
      cause: error,
    });
  }
  if (meaning !== undefined) {
    return new EngineError('REGISTRY_UNAVAILABLE', `${what}: ${meaning} (${proxy ?? host})`, {
      cause: error,
      hint: `Check the name and the port of "${proxy ?? host}" and that this machine can reach it.`,
    });
  }
  if (code === 'ERR_PROXY_TUNNEL' && proxy !== undefined) return tunnelError(error, what, proxy);
  if (code.startsWith('HPE_')) {
    return new EngineError(
      'REGISTRY_RESPONSE_INVALID',
      `${what}: ${host} does not answer in HTTP, or with headers that are too large (${code})`,
      { cause: error },
    );
  }
  return isTls(code) ? tlsError(error, what, host, code) : otherError(error, what, host);
}

/** The proxy answered, but with no tunnel. */
function tunnelError(error: unknown, what: string, proxy: string): EngineError {
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 0;
  const answered = status > 0 ? `it answers status ${status}` : 'it does not answer in HTTP';
  if (status === 407) {
    return new EngineError('REGISTRY_UNAVAILABLE', `${what}: ${answered}`, {
      cause: error,
      hint: `Give it a user name and a password: HTTPS_PROXY=http://USER:PASSWORD@${proxy}`,
    });
  }
  const mayPass = status === 0 || [408, 429, 500, 502, 503, 504].includes(status);
  const Kind = mayPass ? TransientError : EngineError;
  return new Kind('REGISTRY_UNAVAILABLE', `${what}: ${answered}`, { cause: error });
}

function tlsError(error: unknown, what: string, host: string, code: string): EngineError {
  const why = UNTRUSTED.get(code);
  if (why === undefined) {
    return new EngineError(
      'REGISTRY_UNAVAILABLE',
      `${what}: the TLS connection to ${host} failed (${code}: ${tlsReason(error)})`,
      {
        cause: error,
        hint: `If "${host}" speaks plain http and its network is trusted, use --insecure-registry ${host}.`,
      },
    );
  }
  const names = code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? `; ${messageOf(error)}` : '';
  return new EngineError(
    'REGISTRY_UNAVAILABLE',
    `${what}: ${host} cannot be trusted: ${why} (${code}${names})`,
    {
      cause: error,
      hint: trustHint(why, host),
    },
  );
}

function trustHint(why: string, host: string): string {
  if (why.startsWith('no trusted')) {
    return `Put the certificate of its authority into "/etc/containers/certs.d/${host}/ca.crt".`;
  }
  return why.endsWith('another name')
    ? 'Use a name that the certificate is for, or have it issued for this one, too.'
    : `The certificate of "${host}" must be renewed; dray does not speak to it before.`;
}

/** OpenSSL's own words, such as `wrong version number`, without addresses and source files. */
function tlsReason(error: unknown): string {
  const message = messageOf(error);
  const reason = /:SSL routines:[^:]*:([^:]+):/.exec(message)?.[1] ?? message;
  return reason === 'wrong version number' ? 'what answers there does not speak TLS' : reason;
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
