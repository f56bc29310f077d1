/** Brings one blob to a registry by the cheapest way that works. */
import { hasBlob } from './blob-presence.ts';
import { type UploadSizes, uploadBlob } from './blob-upload.ts';
import { type BlobUpload, mountBlob } from './upload-session.ts';

/** How the registry came to have a blob. */
export type BlobOutcome = 'existing' | 'mounted' | 'uploaded';

/** @throws EngineError as `uploadBlob` */
export async function pushBlob(
  upload: BlobUpload,
  { sizes, mountFrom }: { readonly sizes: UploadSizes; readonly mountFrom: string | undefined },
): Promise<BlobOutcome> {
  const { transport, signal } = upload;
  if (await transport.retrying(signal, () => hasBlob(upload))) return 'existing';
  const mounted =
    mountFrom === undefined
      ? undefined
      : await transport.retrying(signal, () => mountBlob(upload, mountFrom));
  if (mounted === 'mounted') return 'mounted';
  await uploadBlob(upload, sizes, mounted);
  return 'uploaded';
}
