/** What `inspect` prints. */
import type { Inspection } from '../core/operations/inspect-any.ts';
import { containerInspection } from './inspect-container.ts';
import { dockerImage } from './inspect-image.ts';
import { writeStdout } from './output.ts';
import { compileTemplate } from './template/format-flag.ts';
import { jsonText, textMap } from './template/values.ts';
import { volumeInspection } from './volume-fields.ts';

/** The shape of one thing: its JSON, and what a template sees of it. */
export function inspectionData(inspection: Inspection) {
  switch (inspection.kind) {
    case 'container':
      return containerInspection(inspection.container);
    case 'image':
      return dockerImage(inspection.image);
    case 'volume': {
      const volume = volumeInspection(inspection.volume);
      return { ...volume, Labels: textMap(volume.Labels) };
    }
  }
}

/**
 * Reads `--format` of `inspect`: `json`, or a template for each result. Called before anything is
 * looked up.
 *
 * @returns what prints all results
 * @throws EngineError `USAGE_INVALID`
 */
export function inspectionPrinter(format: string | undefined): (all: readonly unknown[]) => void {
  if (format === undefined || format === '') return (all) => line(jsonText(all, 2));
  if (format === 'json') return (all) => line(jsonText(all));
  const template = compileTemplate(format);
  return (all) => {
    for (const data of all) line(template(data));
  };
}

function line(text: string): void {
  writeStdout(`${text}\n`);
}
