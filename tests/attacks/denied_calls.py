"""System calls that no confined process may make, by subject, and which of them it can."""

from __future__ import annotations

import platform
from collections.abc import Mapping

from attack_steps import run_confined

IS_X86 = platform.machine() == "x86_64"

Numbers = Mapping[str, tuple[int | None, int | None]]
"""Of a system call on x86-64 and aarch64."""
OF_RIGHTS: Numbers = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "file_setattr": (469, 469),
}  # fmt: skip
OF_NAMES: Numbers = {
    "creat": (85, None), "truncate": (76, 45), "link": (86, None), "linkat": (265, 37),
    "symlink": (88, None), "symlinkat": (266, 36), "mknod": (133, None), "mknodat": (259, 33),
}  # fmt: skip
OF_SOCKETS: Numbers = {
    "socket": (41, 198), "socketpair": (53, 199), "bind": (49, 200), "listen": (50, 201),
    "connect": (42, 203), "accept": (43, 202), "accept4": (288, 242),
}  # fmt: skip
OF_PROGRAMS: Numbers = {
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "unshare": (272, 97), "setns": (308, 268),
}  # fmt: skip
OF_OTHERS: Numbers = {
    "ptrace": (101, 117), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "kcmp": (312, 272),
    "sched_setattr": (314, 274), "ioprio_set": (251, 30), "migrate_pages": (256, 238),
    "move_pages": (279, 239), "perf_event_open": (298, 241), "setpgid": (109, 154),
}  # fmt: skip
OF_THE_KERNEL: Numbers = {
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "finit_module": (313, 273), "delete_module": (176, 106),
    "shmat": (30, 196), "shmctl": (31, 195), "shmdt": (67, 197), "semop": (65, 193),
    "semctl": (66, 191), "semtimedop": (220, 192), "msgsnd": (69, 189), "msgrcv": (70, 188),
    "msgctl": (71, 187), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "bpf": (321, 280), "userfaultfd": (323, 282),
    "perf_event_open": (298, 241), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "init_module": (175, 105), "kexec_load": (246, 104),
    "reboot": (169, 142), "swapon": (167, 224), "sethostname": (170, 161),
    "settimeofday": (164, 170), "personality": (135, 92), "shmget": (29, 194),
    "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "io_setup": (206, 0), "setuid": (105, 146), "setgid": (106, 144), "capset": (126, 91),
    "acct": (163, 89), "kcmp": (312, 272), "ioprio_set": (251, 30), "pidfd_open": (434, 434),
    "memfd_secret": (447, 447), "process_madvise": (440, 440), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "mount_setattr": (442, 442),
    "syslog": (103, 116), "quotactl": (179, 60), "vhangup": (153, 58),
}  # fmt: skip


def not_denied(calls: Numbers) -> dict[str, object]:
    """Return those of the calls of this machine that do not fail with EPERM, and what they do."""
    numbers = {name: both[not IS_X86] for name, both in calls.items()}
    asked = {name: number for name, number in numbers.items() if number is not None}
    told = run_confined(
        f"tell({{n: call('syscall', k, 0, 0, 0, 0, 0) for n, k in {asked}.items()}})"
    )
    return {name: answer for name, answer in told.items() if answer != "EPERM"}
