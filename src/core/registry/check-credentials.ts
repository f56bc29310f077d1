/** Whether a registry takes our credentials. */
import type { CredentialSource } from './credentials.ts';
import { endpointOf } from './endpoint.ts';
import type { RegistryOptions } from './registry-client.ts';
import { NO_REGISTRY_SETTINGS } from './registry-settings.ts';
import { createRetryBudget, DEFAULT_LIMITS } from './retry.ts';
import { Transport } from './transport.ts';

/**
 * Asks for the registry's root, `/v2/`, with these credentials; a registry that asks for none takes all.
 *
 * @returns the identity token that its token service gave for them, if it did: it serves in place of
 * the password.
 * @throws EngineError `REGISTRY_UNAUTHORIZED` when they are refused, and as the client throws.
 */
export async function checkCredentials(
  credentials: CredentialSource,
  options: RegistryOptions & { readonly signal?: AbortSignal | undefined },
): Promise<{ identityToken: string | undefined }> {
  const { insecureRegistries, userAgent, onProgress, signal } = options;
  using transport = new Transport({
    endpoint: options.endpoint ?? endpointOf(credentials.registry, insecureRegistries),
    insecureRegistries,
    userAgent,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    retryBudget: options.retryBudget ?? createRetryBudget(),
    onProgress,
    registries: options.registries ?? NO_REGISTRY_SETTINGS,
    credentials,
    wantsIdentityToken: true,
  });
  const retrier = transport.startRetrier();
  for (;;) {
    try {
      const answer = await transport.open({
        method: 'GET',
        path: '/v2/',
        scope: '',
        doing: `log in to ${credentials.registry}`,
        headers: {},
        expects: [200],
        signal,
      });
      await answer.body.discard();
      return { identityToken: transport.identityToken };
    } catch (error) {
      await retrier.pause(error, signal);
    }
  }
}
