/** Base64 from outside (RFC 4648, 4). */
import { EngineError, quote } from '../errors.ts';

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * The bytes of a base64 text, with its padding and nothing else in it.
 *
 * @param field names it in the error.
 * @throws EngineError `IMAGE_INVALID`
 */
export function decodeBase64(text: unknown, field: string): Buffer {
  if (typeof text === 'string' && text !== '' && BASE64.test(text)) {
    return Buffer.from(text, 'base64');
  }
  const found = typeof text === 'string' ? quote(text.slice(0, 40)) : typeof text;
  throw new EngineError('IMAGE_INVALID', `its ${field} holds ${found}; expected base64`);
}
