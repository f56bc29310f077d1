/** Who uses networks: containers whose lock is held and that have written down what they use. */
import { containerEntries } from '../container/container-directory.ts';
import type { ContainerId } from '../container/container-id.ts';
import { containerDir, lockPath, recordFile } from '../container/container-paths.ts';
import { parseRecord } from '../container/container-record.ts';
import { readTolerant } from '../container/tolerant-file.ts';
import { FileLock } from '../host/file-lock.ts';
import { type NetworkState, readNetworkState } from '../network/network-state.ts';

/** A container that uses networks now. */
export interface NetworkUser {
  readonly containerId: ContainerId;
  readonly directory: string;
  readonly state: NetworkState;
}

/** All of them. One that has just been killed may be among them as long as its watch has work. */
export function networkUsers(dataDir: string): NetworkUser[] {
  return containerEntries(dataDir).flatMap(({ id, suffix }) => {
    if (suffix !== '') return [];
    const directory = containerDir(dataDir, id);
    const state = readNetworkState(directory);
    if (state === undefined || !FileLock.isHeld(lockPath(directory))) return [];
    return [{ containerId: id, directory, state }];
  });
}

/** Those of them that are in the network of this name. */
export function usersOf(users: readonly NetworkUser[], network: string): NetworkUser[] {
  return users.filter(({ state }) => state.attachments.some((each) => each.network === network));
}

/** How a container is called in messages: its name, else the beginning of its id. */
export function containerLabel(dataDir: string, id: ContainerId): string {
  const record = readTolerant(recordFile(containerDir(dataDir, id)), parseRecord);
  return record?.name ?? id.slice(0, 12);
}
