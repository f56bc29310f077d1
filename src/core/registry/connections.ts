/** The connections of one client: kept alive, through proxies, with certificates. */
import * as http from 'node:http';
import * as https from 'node:https';
import { type ProxyServer, proxyFor } from './proxy.ts';
import type { RegistrySettings } from './registry-settings.ts';
import { tlsContext } from './tls-material.ts';

/** What connections are made with. */
export type ConnectionSettings = Pick<RegistrySettings, 'proxies' | 'certificates'>;

/** How one origin is reached. */
export interface Route {
  readonly agent: http.Agent;
  readonly proxy: ProxyServer | undefined;
}

/** The connections of one client. */
export interface Connections {
  /**
   * How the origin of a URL is reached. Its certificates are read when it is first asked for.
   *
   * @throws EngineError `CONFIG_INVALID`, `PERMISSION_DENIED`
   */
  routeTo(url: URL): Route;
  /** Closes every connection, also those in use. Idempotent. */
  close(): void;
}

/** Opens no connection yet. */
export function openConnections(settings: ConnectionSettings): Connections {
  const routes = new Map<string, Route>();
  return {
    routeTo: (url) => {
      const known = routes.get(url.origin);
      if (known !== undefined) return known;
      const route = makeRoute(url, settings);
      routes.set(url.origin, route);
      return route;
    },
    close: () => {
      for (const { agent } of routes.values()) agent.destroy();
    },
  };
}

/** An agent for each origin: certificates of ours are shown to the host they are for, and to no other. */
function makeRoute(url: URL, { proxies, certificates }: ConnectionSettings): Route {
  const proxy = proxyFor(url, proxies);
  const href = proxy?.url.href;
  const options: http.AgentOptions = {
    keepAlive: true,
    ...(href === undefined ? {} : { proxyEnv: { HTTP_PROXY: href, HTTPS_PROXY: href } }),
  };
  if (url.protocol !== 'https:') return { agent: new http.Agent(options), proxy };
  // A context, not its parts: an agent makes the name of a connection from those, for every request.
  const secureContext = tlsContext(url.host, certificates);
  const agent = new https.Agent({
    ...options,
    ...(secureContext === undefined ? {} : { secureContext }),
  });
  return { agent, proxy };
}
