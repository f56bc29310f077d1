/**
 * Parses `WWW-Authenticate` (RFC 9110, 11.6.1):
 *
 *     challenge *( "," challenge )
 *     challenge = scheme [ 1*SP ( token68 / parameter *( "," parameter ) ) ]
 *     parameter = token "=" ( token / quoted-string )
 *
 * One pass over the text; more than 20 challenges or 8 KiB are refused.
 */
import { EngineError, quote } from '../errors.ts';

/** One way that a server offers to authenticate. */
export interface Challenge {
  /** Lower case. */
  readonly scheme: string;
  /** Names in lower case; of one given twice the first counts. */
  readonly parameters: ReadonlyMap<string, string>;
}

const MAX_LENGTH = 8 * 1024;
const MAX_CHALLENGES = 20;
const COMMAS = /[ \t,]*/y;
const SCHEME = /([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*/y;
const TOKEN68 = /[0-9A-Za-z._~+/-]+=*[ \t]*(?=,|$)/y;
const PARAMETER =
  /[ \t,]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\[\s\S])*)"|([!#$%&'*+.^_`|~0-9A-Za-z-]+))[ \t]*(?=,|$)/y;

/**
 * Parses the value of the header.
 *
 * @param host for the error.
 * @throws EngineError `REGISTRY_RESPONSE_INVALID`
 */
export function parseChallenges(header: string, host: string): readonly Challenge[] {
  if (header.length > MAX_LENGTH) throw malformed(header, host);
  const challenges: Challenge[] = [];
  const take = scanner(header);
  take(COMMAS);
  for (let scheme = take(SCHEME); scheme !== undefined; scheme = take(SCHEME)) {
    const parameters = new Map<string, string>();
    if (take(TOKEN68) === undefined) takeParameters(take, parameters);
    challenges.push({ scheme: (scheme[1] ?? '').toLowerCase(), parameters });
    const gap = take(COMMAS)?.[0] ?? '';
    if (take.isAtEnd()) return challenges;
    if (!gap.includes(',') || challenges.length >= MAX_CHALLENGES) break;
  }
  throw malformed(header, host);
}

function takeParameters(take: Take, parameters: Map<string, string>): void {
  for (let match = take(PARAMETER); match !== undefined; match = take(PARAMETER)) {
    const name = (match[1] ?? '').toLowerCase();
    const value = match[2]?.replace(/\\([\s\S])/g, '$1') ?? match[3] ?? '';
    if (!parameters.has(name)) parameters.set(name, value);
  }
}

interface Take {
  /** Takes what a sticky expression matches at the current position. */
  (expression: RegExp): RegExpExecArray | undefined;
  isAtEnd(): boolean;
}

function scanner(text: string): Take {
  let position = 0;
  const take = (expression: RegExp): RegExpExecArray | undefined => {
    expression.lastIndex = position;
    const match = expression.exec(text) ?? undefined;
    if (match !== undefined) position = expression.lastIndex;
    return match;
  };
  return Object.assign(take, { isAtEnd: () => position >= text.length });
}

function malformed(header: string, host: string): EngineError {
  return new EngineError(
    'REGISTRY_RESPONSE_INVALID',
    `${host} asks for authentication in a way that cannot be read: ${quote(header)}`,
  );
}
