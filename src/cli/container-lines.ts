/** The lines of `list`. */
import type { ContainerInfo } from '../core/operations/list-containers.ts';
import {
  CONTAINER_COLUMNS,
  CONTAINER_FIELD_TITLES,
  type ContainerStyle,
  containerFormatRow,
} from './container-fields.ts';
import { tableLines } from './table.ts';
import type { ListFormat } from './template/format-flag.ts';

/** What is shown of containers. */
export interface ContainerView extends ContainerStyle {
  /** Only ids. */
  readonly quiet: boolean;
  readonly size: boolean;
  readonly hasTitles: boolean;
}

/** The lines for these containers; without a format, docker's columns. */
export async function containerLines(
  containers: readonly ContainerInfo[],
  view: ContainerView,
  format: ListFormat | undefined,
): Promise<string[]> {
  const rows = containers.map((container) => containerFormatRow(container, view));
  if (view.quiet) return rows.map(({ ID }) => String(ID));
  if (format !== undefined) return await format.lines(rows, CONTAINER_FIELD_TITLES);
  const columns = view.size ? [...CONTAINER_COLUMNS, 'Size'] : CONTAINER_COLUMNS;
  const titles = view.hasTitles ? [CONTAINER_FIELD_TITLES] : [];
  return await tableLines(
    [...titles, ...rows].map((row) => columns.map((column) => String(row[column]))),
  );
}
