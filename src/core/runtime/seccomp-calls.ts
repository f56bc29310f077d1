/**
 * The system calls that a container may make, by name.
 *
 * An allow list: what is not here is refused. It holds what programs need to compute, to use files,
 * memory, processes, sockets, time and signals. It leaves out what manages the machine (modules,
 * kexec, clock, quota, swap), what crosses namespaces, kernel keyrings, BPF, perf, userfaultfd and
 * io_uring (each a long record of escapes), and calls that no program has used for a decade.
 * Names that an architecture does not have are passed over by the runtime.
 */

/** Allowed for everybody, whatever the arguments. */
export const ALLOWED_CALLS: readonly string[] = words(`
  read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek
  open openat openat2 creat close close_range dup dup2 dup3 pipe pipe2 fcntl flock ioctl
  stat fstat lstat newfstatat statx statfs fstatfs access faccessat faccessat2
  truncate ftruncate fallocate fadvise64 readahead copy_file_range sendfile splice tee vmsplice
  sync syncfs fsync fdatasync sync_file_range msync
  rename renameat renameat2 mkdir mkdirat rmdir link linkat unlink unlinkat symlink symlinkat
  readlink readlinkat mknod mknodat chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat
  utime utimes futimesat utimensat umask getdents getdents64 getcwd chdir fchdir
  setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
  removexattr lremovexattr fremovexattr name_to_handle_at cachestat
  inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark
  mmap munmap mremap mprotect madvise mincore brk mlock mlock2 mlockall munlock munlockall
  remap_file_pages memfd_create memfd_secret membarrier pkey_alloc pkey_free pkey_mprotect
  map_shadow_stack mseal
  poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait
  epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd signalfd4
  timerfd_create timerfd_settime timerfd_gettime
  io_setup io_destroy io_getevents io_pgetevents io_submit io_cancel
  bind connect listen accept accept4 getsockname getpeername getsockopt setsockopt
  socketpair shutdown sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg
  shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl
  mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr
  fork vfork execve execveat exit exit_group wait4 waitid set_tid_address
  kill tkill tgkill pidfd_open pidfd_send_signal ptrace process_vm_readv process_vm_writev
  process_mrelease rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait
  rt_sigqueueinfo rt_tgsigqueueinfo rt_sigsuspend sigaltstack pause restart_syscall
  futex futex_waitv futex_wait futex_wake futex_requeue get_robust_list set_robust_list rseq
  getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid getgroups
  setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups
  getpgid setpgid getpgrp getsid setsid capget capset prctl seccomp
  landlock_create_ruleset landlock_add_rule landlock_restrict_self
  getrlimit setrlimit prlimit64 getrusage getpriority setpriority ioprio_get ioprio_set
  sched_yield sched_getparam sched_setparam sched_getscheduler sched_setscheduler sched_getattr
  sched_setattr sched_get_priority_max sched_get_priority_min sched_rr_get_interval
  sched_getaffinity sched_setaffinity getcpu
  time times gettimeofday clock_gettime clock_getres clock_nanosleep nanosleep adjtimex
  clock_adjtime alarm getitimer setitimer timer_create timer_delete timer_settime timer_gettime
  timer_getoverrun uname sysinfo getrandom arch_prctl set_thread_area get_thread_area modify_ldt
  arm_fadvise64_64 arm_sync_file_range sync_file_range2 riscv_flush_icache riscv_hwprobe
  swapcontext rtas s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr
`);

/** Allowed in addition when 32-bit programs are allowed: the calls that only they have. */
export const COMPATIBLE_CALLS: readonly string[] = words(`
  _llseek _newselect chown32 clock_adjtime64 clock_getres_time64 clock_gettime64
  clock_nanosleep_time64 fadvise64_64 fchown32 fcntl64 fstat64 fstatat64 fstatfs64 ftruncate64
  futex_time64 getegid32 geteuid32 getgid32 getgroups32 getresgid32 getresuid32 getuid32
  io_pgetevents_time64 ipc lchown32 lstat64 mmap2 mq_timedreceive_time64 mq_timedsend_time64 nice
  oldfstat oldlstat oldstat ppoll_time64 pselect6_time64 recv recvmmsg_time64 rt_sigtimedwait_time64
  sched_rr_get_interval_time64 semtimedop_time64 send sendfile64 setfsgid32 setfsuid32 setgid32
  setgroups32 setregid32 setresgid32 setresuid32 setreuid32 setuid32 sigaction signal sigpending
  sigprocmask sigreturn sigsuspend stat64 statfs64 timer_gettime64 timer_settime64
  timerfd_gettime64 timerfd_settime64 truncate64 ugetrlimit utimensat_time64 waitpid
  breakpoint cacheflush set_tls
`);

/** What a capability unlocks: without it the kernel would refuse the call or its dangerous half. */
export const CALLS_BY_CAPABILITY: ReadonlyMap<string, readonly string[]> = new Map([
  [
    'CAP_SYS_ADMIN',
    words(`
      bpf clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr
      move_mount open_tree perf_event_open pivot_root quotactl quotactl_fd setdomainname sethostname
      setns syslog umount umount2 unshare
    `),
  ],
  ['CAP_BPF', words('bpf')],
  ['CAP_DAC_READ_SEARCH', words('open_by_handle_at')],
  ['CAP_PERFMON', words('perf_event_open')],
  ['CAP_SYSLOG', words('syslog')],
  ['CAP_SYS_BOOT', words('reboot')],
  ['CAP_SYS_CHROOT', words('chroot')],
  ['CAP_SYS_MODULE', words('delete_module finit_module init_module')],
  [
    'CAP_SYS_NICE',
    words(`
      get_mempolicy mbind migrate_pages move_pages set_mempolicy set_mempolicy_home_node
    `),
  ],
  ['CAP_SYS_PACCT', words('acct')],
  ['CAP_SYS_PTRACE', words('kcmp pidfd_getfd process_madvise')],
  ['CAP_SYS_RAWIO', words('ioperm iopl')],
  ['CAP_SYS_TIME', words('clock_settime clock_settime64 settimeofday stime')],
  ['CAP_SYS_TTY_CONFIG', words('vhangup')],
]);

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
