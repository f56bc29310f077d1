/** Whether a registry has a blob. */
import { headerOf } from './registry-error.ts';
import type { BlobUpload } from './upload-session.ts';

/**
 * Asks with HEAD. A registry that knows no HEAD, or that states another digest or size, does not have
 * it as far as a push is concerned.
 *
 * @throws EngineError as `Transport.open`
 */
export async function hasBlob(
  upload: Pick<
    BlobUpload,
    'transport' | 'repository' | 'descriptor' | 'scope' | 'where' | 'signal'
  >,
): Promise<boolean> {
  const { transport, repository, descriptor } = upload;
  const answer = await transport.open({
    method: 'HEAD',
    path: `/v2/${repository}/blobs/${descriptor.digest}`,
    scope: upload.scope,
    doing: `look for ${upload.where}`,
    headers: {},
    expects: [200, 404, 405],
    signal: upload.signal,
  });
  await answer.body.discard();
  if (answer.status !== 200) return false;
  const stated = headerOf(answer, 'docker-content-digest') ?? descriptor.digest;
  const size = headerOf(answer, 'content-length') ?? String(descriptor.size);
  return stated === descriptor.digest && size === String(descriptor.size);
}
