/** Whether a registry takes our credentials. */
import { EngineError } from '../errors.ts';
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
      await retrier.pause(asRefused(error), signal);
    }
  }
}

/** The client's own hint, to log in, is of no use to whoever does just that. */
function asRefused(error: unknown): unknown {
  if (!(error instanceof EngineError) || error.code !== 'REGISTRY_UNAUTHORIZED') return error;
  return new EngineError(error.code, error.message, {
    hint: 'Check user name and password; some registries want an access token as the password.',
    cause: error,
  });
}
