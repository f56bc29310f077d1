/** Progress as text: a line per event that is worth one, and a bar per layer. */
import { escapeControls } from '../core/errors.ts';
import type { ProgressEvent } from '../core/progress.ts';
import { formatSize } from './humanize.ts';
import type { FetchProgress, LayerPhase, LayerProgress } from './progress-state.ts';

const SHORT_HEX = 12;
const BAR_CELLS = 25;

/** The line for an event where nothing can be drawn in place; undefined when it is not worth one. */
export function eventLine(event: ProgressEvent, progress: FetchProgress): string | undefined {
  const notice = noticeLine(event);
  if (notice !== undefined) return notice;
  switch (event.type) {
    case 'resolving':
      return `fetching ${escapeControls(event.reference)} from ${escapeControls(event.source)}`;
    case 'layer-waiting':
      return `layer ${shortDigest(event.digest)}: another process is transferring it`;
    case 'layer-done': {
      const layer = progress.layers.get(event.digest);
      const size = layer === undefined ? '' : ` ${formatSize(layer.totalBytes)}`;
      return `layer ${shortDigest(event.digest)}:${size} ${event.reused ? 'already here' : 'done'}`;
    }
    case 'pushing':
      return `pushing ${escapeControls(event.reference)} to ${escapeControls(event.registry)}`;
    case 'blob-pushed': {
      const { totalBytes = 0 } = progress.layers.get(event.digest) ?? {};
      const outcome = PUSH_OUTCOMES[event.outcome];
      return `blob ${shortDigest(event.digest)}: ${formatSize(totalBytes)} ${outcome}`;
    }
    default:
      return undefined;
  }
}

const PUSH_OUTCOMES = { uploaded: 'done', existing: 'already there', mounted: 'mounted' } as const;

/** The line for an event that must be seen also beside bars. */
export function noticeLine(event: ProgressEvent): string | undefined {
  if (event.type === 'warning') return `warning: ${escapeControls(event.message)}`;
  if (event.type !== 'retrying') return undefined;
  const seconds = (event.delayMs / 1000).toFixed(1);
  const reason = escapeControls(event.reason);
  const count = `attempt ${event.attempt} of ${event.attempts}`;
  return `${escapeControls(event.host)}: ${reason}; trying again in ${seconds} s (${count})`;
}

/**
 * One line per layer, none wider than `columns` - 1 and no more of them than `rows` - 1: of more
 * layers, those that are finished or have not begun are counted instead of shown.
 */
export function barLines(
  progress: FetchProgress,
  { columns, rows }: { readonly columns: number; readonly rows: number },
): string[] {
  const layers = [...progress.layers.values()];
  const room = Math.max(1, rows - 1);
  const shown = layers.length <= room ? layers : layers.filter(isUnderWay).slice(0, room - 1);
  const lines = shown.map(barLine);
  if (shown.length < layers.length) {
    const finished = layers.filter(isFinished).length;
    lines.push(`${finished} of ${layers.length} layers done`);
  }
  return lines.map((line) => line.slice(0, Math.max(0, columns - 1)));
}

function barLine(layer: LayerProgress): string {
  const id = shortDigest(layer.digest);
  const total = formatSize(layer.totalBytes);
  switch (layer.phase) {
    case 'transferring': {
      const rate = layer.rate === undefined ? '' : `  ${formatSize(Math.round(layer.rate))}/s`;
      return `${id}  ${bar(layer)}  ${formatSize(layer.transferredBytes)}/${total}${rate}`;
    }
    case 'pending':
      return `${id}  ${bar(layer)}  ${total}`;
    case 'indexing':
      return `${id}  ${bar(layer)}  ${total}  indexing`;
    case 'waiting':
      return `${id}  ${total}  waiting for another process`;
    case 'done':
      return `${id}  ${total}  done`;
    case 'reused':
      return `${id}  ${total}  already here`;
    case 'existing':
    case 'mounted':
      return `${id}  ${total}  ${PUSH_OUTCOMES[layer.phase]}`;
  }
}

function bar({ transferredBytes, totalBytes }: LayerProgress): string {
  const share = totalBytes === 0 ? 1 : Math.min(1, transferredBytes / totalBytes);
  const cells = Math.floor(share * BAR_CELLS);
  return `[${'='.repeat(cells)}${' '.repeat(BAR_CELLS - cells)}]`;
}

const FINISHED: readonly LayerPhase[] = ['done', 'reused', 'existing', 'mounted'];

function isFinished({ phase }: LayerProgress): boolean {
  return FINISHED.includes(phase);
}

function isUnderWay({ phase }: LayerProgress): boolean {
  return phase !== 'pending' && !FINISHED.includes(phase);
}

function shortDigest(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1).slice(0, SHORT_HEX);
}
