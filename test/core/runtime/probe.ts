/**
 * A static program that makes system calls which a container must not make, and prints one line per
 * call: its name and the name of the error, `ok`, or the signal that ended it.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SOURCE = String.raw`
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void result(const char *name, long value) {
  printf("%s %s\n", name, value < 0 ? strerrorname_np(errno) : "ok");
}

static void in_child(const char *name, int (*call)(void)) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) _exit(call());
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) printf("%s SIG%s\n", name, sigabbrev_np(WTERMSIG(status)));
  else printf("%s %s\n", name, WEXITSTATUS(status) ? strerrorname_np(WEXITSTATUS(status)) : "ok");
}

#ifdef __x86_64__
/* socketcall(SYS_SOCKET, {AF_ALG, SOCK_SEQPACKET, 0}) through the 32-bit entry. */
static int socketcall_32(void) {
  static unsigned args[3] __attribute__((aligned(16))) = {38, 5, 0};
  int value;
  __asm__ volatile("int $0x80" : "=a"(value)
    : "a"(102), "b"(1), "c"((unsigned)(unsigned long)args) : "memory", "r8", "r9", "r10", "r11");
  return value < 0 ? -value : 0;
}
/* getpid with the x32 bit. */
static int getpid_x32(void) {
  long value = syscall(0x40000000 | SYS_getpid);
  return value < 0 ? errno : 0;
}
#endif

static int namespace_clone(void) {
  long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  return pid < 0 ? errno : 0;
}

int main(void) {
  result("socket-unix", syscall(SYS_socket, 1, 1, 0));
  result("socket-inet", syscall(SYS_socket, 2, 1, 0));
  result("socket-netlink", syscall(SYS_socket, 16, 3, 0));
  result("socket-alg", syscall(SYS_socket, 38, 5, 0));
  result("socket-alg-upper-bits", syscall(SYS_socket, 0x100000026L, 5, 0));
  result("socket-vsock", syscall(SYS_socket, 40, 1, 0));
  result("socket-vsock-upper-bits", syscall(SYS_socket, 0x100000028L, 1, 0));
  result("unshare-user", syscall(SYS_unshare, CLONE_NEWUSER));
  result("unshare-mount", syscall(SYS_unshare, CLONE_NEWNS));
  in_child("clone-user", namespace_clone);
  result("clone3", syscall(SYS_clone3, 0, 0));
  result("keyctl", syscall(SYS_keyctl, 0, -3, 0));
  result("add_key", syscall(SYS_add_key, "user", "k", "v", 1, -3));
  result("bpf", syscall(SYS_bpf, 0, 0, 0));
  result("io_uring_setup", syscall(SYS_io_uring_setup, 1, 0));
  result("userfaultfd", syscall(SYS_userfaultfd, 1));
  result("perf_event_open", syscall(SYS_perf_event_open, 0, 0, -1, -1, 0));
  result("mount", syscall(SYS_mount, "none", "/", "tmpfs", 0, 0));
  result("open_by_handle_at", syscall(SYS_open_by_handle_at, -1, 0, 0));
  result("kexec_load", syscall(SYS_kexec_load, 0, 0, 0, 0));
  result("init_module", syscall(SYS_init_module, 0, 0, ""));
  result("reboot", syscall(SYS_reboot, 0, 0, 0, 0));
  result("personality-query", syscall(SYS_personality, 0xffffffffUL));
  result("personality-no-aslr", syscall(SYS_personality, 0x40000UL));
#ifdef __x86_64__
  in_child("int80-socketcall", socketcall_32);
  in_child("x32-getpid", getpid_x32);
#endif
  return 0;
}
`;

const COMPILER = ['/usr/bin/gcc', '/usr/bin/cc', '/usr/bin/clang'].find((path) => existsSync(path));

/** Why the program cannot be built here, or false. For the `skip` option of a test. */
export const cannotBuildProbe: string | false =
  COMPILER === undefined ? 'there is no C compiler to build the probe with' : false;

/** Builds the program in `directory` and returns its path. */
export function buildProbe(directory: string): string {
  const program = join(directory, 'probe');
  const source = `${program}.c`;
  writeFileSync(source, SOURCE);
  // Not position independent: the 32-bit entry needs addresses below 4 GiB.
  execFileSync(COMPILER ?? '', ['-static', '-no-pie', '-O1', '-o', program, source]);
  return program;
}
