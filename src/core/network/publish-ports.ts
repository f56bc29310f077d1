/** Ports of the host for a container: taken before anything else is made. */
import { EngineError } from '../errors.ts';
import { isErrno } from '../host/libc.ts';
import { type PortReservation, reservePort } from '../host/port-reservation.ts';
import { addressBytes, parseAddress } from './addresses.ts';
import type { PublishedPort } from './rules.ts';

/** A port that somebody asked to be published. */
export interface PortRequest {
  readonly protocol: PublishedPort['protocol'];
  readonly hostIp?: string;
  /** Any of these; `[0, 0]`: any that is free. */
  readonly hostPorts: readonly [first: number, last: number];
  readonly containerPort: number;
}

/** The ports, and what keeps others from them until it is disposed. */
export interface PublishedPorts extends Disposable {
  readonly ports: readonly PublishedPort[];
}

/** Says who of the containers has a port; undefined when none has. */
export type PortHolder = (port: PublishedPort) => string | undefined;

const MOST_RANDOM_TRIES = 50;

/**
 * Takes the ports, in both IP versions where no address is given and the container has both.
 *
 * @throws EngineError `PORT_IN_USE` naming who has it; SystemCallError
 */
export function takePorts(
  requests: readonly PortRequest[],
  { hasIPv6, holderOf }: { readonly hasIPv6: boolean; readonly holderOf: PortHolder },
): PublishedPorts {
  using taken = new DisposableStack();
  const ports = requests.map((request) => {
    const { port, reservations } = takeOne(request, { hasIPv6, holderOf });
    for (const reservation of reservations) taken.use(reservation);
    return port;
  });
  const kept = taken.move();
  return { ports, [Symbol.dispose]: () => kept.dispose() };
}

interface Taken {
  readonly port: PublishedPort;
  readonly reservations: readonly PortReservation[];
}

function takeOne(
  request: PortRequest,
  context: { readonly hasIPv6: boolean; readonly holderOf: PortHolder },
): Taken {
  const [first, last] = request.hostPorts;
  const isRandom = first === 0;
  const tries = isRandom ? MOST_RANDOM_TRIES : last - first + 1;
  for (let count = 0; count < tries; count += 1) {
    const hostPort = isRandom ? 0 : first + count;
    const reservations = tryReserve(request, hostPort, context.hasIPv6);
    const got = reservations?.[0]?.port;
    if (reservations === undefined || got === undefined) continue;
    return { port: toPort(request, got), reservations };
  }
  throw inUse(request, context.holderOf);
}

function toPort({ protocol, hostIp, containerPort }: PortRequest, hostPort: number): PublishedPort {
  return { protocol, ...(hostIp === undefined ? {} : { hostIp }), hostPort, containerPort };
}

/** Undefined when one of the addresses is taken. */
function tryReserve(
  { protocol, hostIp }: PortRequest,
  hostPort: number,
  hasIPv6: boolean,
): PortReservation[] | undefined {
  using stack = new DisposableStack();
  const reservations: PortReservation[] = [];
  let port = hostPort;
  for (const text of hostIp === undefined ? ['0.0.0.0', ...(hasIPv6 ? ['::'] : [])] : [hostIp]) {
    const address = addressBytes(parseAddress(text) ?? { version: 4, value: 0n });
    try {
      const reservation = stack.use(reservePort({ protocol, address, port }));
      reservations.push(reservation);
      port = reservation.port;
    } catch (error) {
      if (isErrno(error, 'EADDRINUSE')) return undefined;
      if (isErrno(error, 'EADDRNOTAVAIL')) throw notOurs(text, error);
      if (text !== '::' || !isErrno(error, 'EAFNOSUPPORT')) throw error;
    }
  }
  stack.move();
  return reservations;
}

function notOurs(address: string, cause: unknown): EngineError {
  return new EngineError('USAGE_INVALID', `the host does not have the address ${address}`, {
    hint: 'Publish on one of its own: ip address show',
    cause,
  });
}

function inUse(request: PortRequest, holderOf: PortHolder): EngineError {
  const [first, last] = request.hostPorts;
  const shown = `${request.hostIp === undefined ? '' : `${request.hostIp}:`}${first === last ? first : `${first}-${last}`}/${request.protocol}`;
  const holder = first === last ? holderOf(toPort(request, first)) : undefined;
  const who =
    holder === undefined ? 'is in use on the host' : `is published by the container ${holder}`;
  return new EngineError('PORT_IN_USE', `the port ${shown} ${who}`, {
    hint: 'Choose another, or let one be chosen: -p CONTAINER_PORT',
  });
}
