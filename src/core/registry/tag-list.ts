/** All tags of a repository (distribution-spec, "Listing Tags"), page by page. */
import { EngineError, quote } from '../errors.ts';
import { MAX_DOCUMENT_BYTES, parseJsonObject } from '../oci/json-document.ts';
import { isTag } from '../oci/reference.ts';
import type { Answer } from './exchange.ts';
import { headerOf } from './registry-error.ts';
import type { Transport } from './transport.ts';

/** Tags that are asked for at a time; registries may give fewer. */
const PAGE_TAGS = 1000;
const MOST_PAGES = 1000;
/** Pages that bring nothing new before the registry is taken to go round in circles. */
const MOST_IDLE_PAGES = 3;

/** Which tags, and how to ask for them. */
export interface TagListing {
  readonly transport: Transport;
  readonly repository: string;
  readonly scope: string;
  /** Names the listing in messages. */
  readonly where: string;
  readonly signal: AbortSignal | undefined;
}

/**
 * Reads all pages. What is no tag is left out.
 *
 * @returns each tag once, sorted by code point.
 * @throws EngineError as `Transport.open`; `REGISTRY_RESPONSE_INVALID` for a page of more than 4 MiB,
 * a next page at another origin, and pages that do not end.
 */
export async function listTags(listing: TagListing): Promise<readonly string[]> {
  const tags = new Set<string>();
  let next: string | URL | undefined = `/v2/${listing.repository}/tags/list?n=${PAGE_TAGS}`;
  let idlePages = 0;
  for (let page = 0; next !== undefined; page += 1) {
    const known = tags.size;
    const { found, following } = await readPage(listing, next);
    for (const tag of found) tags.add(tag);
    idlePages = tags.size === known ? idlePages + 1 : 0;
    if (following !== undefined && (page >= MOST_PAGES || idlePages >= MOST_IDLE_PAGES)) {
      throw invalid(listing, 'names a next page again and again');
    }
    next = following;
  }
  return [...tags].sort();
}

interface Page {
  readonly found: readonly string[];
  readonly following: URL | undefined;
}

function readPage(listing: TagListing, path: string | URL): Promise<Page> {
  const { transport, scope, where, signal } = listing;
  return transport.retrying(signal, async () => {
    const answer = await transport.open({
      method: 'GET',
      path,
      scope,
      doing: `list ${where}`,
      headers: { accept: 'application/json' },
      expects: [200],
      signal,
    });
    const bytes = await answer.body.readAll(MAX_DOCUMENT_BYTES);
    if (bytes === undefined) throw invalid(listing, `sends more than ${MAX_DOCUMENT_BYTES} bytes`);
    return { found: parsePage(listing, bytes), following: nextPage(listing, answer) };
  });
}

function parsePage(listing: TagListing, bytes: Buffer): string[] {
  try {
    const { tags } = parseJsonObject(bytes, listing.where);
    if (tags === null || tags === undefined) return [];
    if (Array.isArray(tags)) return tags.filter(isTag);
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'IMAGE_INVALID') throw error;
  }
  throw invalid(listing, 'sends no JSON object with a list of tags');
}

/** `Link: </v2/…?last=…>; rel="next"` (RFC 8288). */
function nextPage(listing: TagListing, answer: Answer): URL | undefined {
  const link = headerOf(answer, 'link') ?? '';
  const target = /<([^>]*)>[^,]*;\s*rel="?next"?/i.exec(link)?.[1];
  if (target === undefined) return undefined;
  if (!URL.canParse(target, answer.url)) throw invalid(listing, 'names a next page that is no URL');
  const url = new URL(target, answer.url);
  if (url.origin === answer.url.origin && url.username === '') return url;
  throw invalid(listing, `names a next page at another origin, ${quote(url.origin)}`);
}

function invalid({ where, transport }: TagListing, why: string): EngineError {
  return new EngineError(
    'REGISTRY_RESPONSE_INVALID',
    `cannot list ${where}: ${transport.host} ${why}`,
  );
}
