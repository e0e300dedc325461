"""A helper inside the confinement tries each thing that is denied, by the system calls."""

from __future__ import annotations

import os
import platform
import socket
from pathlib import Path

import pytest
from attack_steps import can_confine, run_confined

from viewer.processes.confinement import seccomp

pytestmark = pytest.mark.skipif(not can_confine, reason="Landlock and seccomp are not here")

DENIED = {"EPERM", "EACCES"}


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A file of the user's."""
    file = tmp_path / "private.txt"
    file.write_text("the secret")
    return file


def test_reads_no_file_of_the_user(private: Path) -> None:
    told = run_confined(f"""
        path = {str(private)!r}
        tell([attempt(open, path), attempt(os.open, path, os.O_PATH | os.O_RDWR),
              attempt(os.listdir, os.path.dirname(path)), attempt(os.listdir, "/"),
              attempt(os.listdir, "/proc"), attempt(open, "/etc/passwd")])
    """)
    assert told[0] == "EACCES"
    assert set(told[2:]) == {"EACCES"}


def test_reads_what_it_was_given_and_does_not_write_it(private: Path) -> None:
    told = run_confined(
        f"""
        path = {str(private)!r}
        tell([attempt(lambda: open(path).read()), attempt(open, path, "a"),
              attempt(os.open, path, os.O_RDONLY | os.O_TRUNC), attempt(os.open, path, 3),
              attempt(os.open, path, 3 | os.O_TRUNC), attempt(os.truncate, path, 0),
              attempt(os.unlink, path), attempt(os.rename, path, "mine"),
              attempt(os.link, path, "mine"), attempt(os.symlink, path, "mine"),
              attempt(open, path + ".new", "w"), attempt(os.mkdir, path + ".folder")])
        """,
        readable_paths=[str(private)],
    )
    assert told[0] == repr("the secret")
    assert set(told[1:]) <= DENIED | {"EXDEV"}
    assert private.read_text() == "the secret"
    assert sorted(private.parent.iterdir()) == [private]


def test_changes_no_rights_times_or_attributes(private: Path) -> None:
    before = private.stat()
    told = run_confined(
        f"""
        path = {str(private)!r}
        tell([attempt(os.chmod, path, 0o777), attempt(os.chown, path, 1, 1),
              attempt(os.utime, path, (1, 1)), attempt(os.setxattr, path, "user.a", b"b"),
              attempt(os.mknod, "fifo"), attempt(os.mkfifo, "fifo"), attempt(os.chroot, "/")])
        """,
        readable_paths=[str(private)],
    )
    assert set(told) == {"EPERM"}
    after = private.stat()
    assert (after.st_mode, after.st_mtime, after.st_uid) == (
        before.st_mode, before.st_mtime, before.st_uid,
    )  # fmt: skip


def test_writes_in_its_private_folder_which_goes_with_it() -> None:
    told = run_confined("""
        open("a", "w").write("x"); os.rename("a", "b"); text = open("b").read()
        os.unlink("b"); os.mkdir("c"); os.rmdir("c")
        tell([text, os.getcwd(), os.environ["HOME"], os.environ["TMPDIR"]])
    """)
    assert told[0] == "x"
    assert len(set(told[1:])) == 1
    assert not Path(told[1]).exists()


def test_has_no_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        told = run_confined(f"""
            import socket
            kinds = [(socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET, socket.SOCK_DGRAM),
                     (socket.AF_INET6, socket.SOCK_STREAM), (socket.AF_UNIX, socket.SOCK_STREAM),
                     (socket.AF_UNIX, socket.SOCK_DGRAM), (socket.AF_NETLINK, socket.SOCK_RAW)]
            pair = ctypes.create_string_buffer(8)
            tell([attempt(socket.socket, *kind) for kind in kinds]
                 + [call("socketpair", 1, 2, 0, pair), call("accept", 0, None, None),
                    attempt(socket.create_connection, ("127.0.0.1", {port}))])
        """)
        assert set(told) == {"EPERM"}


def test_starts_no_process_and_no_program() -> None:
    told = run_confined("""
        import subprocess
        argv = (ctypes.c_char_p * 2)(b"/bin/true", None)
        clone = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
        tell([attempt(os.fork), attempt(os.execv, "/bin/true", ["true"]),
              attempt(subprocess.run, ["/bin/true"]),
              attempt(os.posix_spawn, "/bin/true", ["true"], {}),
              call("syscall", clone, 17, 0, 0, 0, 0), call("syscall", 435, 0, 0),
              call("syscall", clone, 0x10000 | 0x10000000, 0, 0, 0, 0),
              call("unshare", 0x10000000), call("setns", 0, 0)])
    """)
    assert set(told) == {"EPERM", "ENOSYS"}
    assert told.count("ENOSYS") == 1


def test_touches_no_other_process() -> None:
    me = os.getpid()
    priority = os.getpriority(os.PRIO_PROCESS, me)
    told = run_confined(f"""
        import signal, resource
        other, tgkill = {me}, {{"x86_64": 234, "aarch64": 131}}[os.uname().machine]
        buffer = ctypes.create_string_buffer(16)
        tell([attempt(os.kill, other, 0), attempt(os.kill, -1, 0), attempt(os.kill, 0, 0),
              call("syscall", tgkill, other, other, 0),
              call("ptrace", 16, other, 0, 0), call("process_vm_readv", other, 0, 0, 0, 0, 0),
              call("process_vm_writev", other, 0, 0, 0, 0, 0),
              call("syscall", 434, other, 0), call("syscall", 438, 3, 0, 0),
              attempt(resource.prlimit, other, resource.RLIMIT_CPU, (1, 1)),
              attempt(os.sched_setaffinity, other, {{0}}),
              attempt(os.setpriority, os.PRIO_PROCESS, other, 19),
              attempt(open, f"/proc/{{other}}/environ"), attempt(open, f"/proc/{{other}}/cmdline"),
              attempt(open, f"/proc/{{other}}/mem")])
        """)
    assert set(told) <= DENIED
    assert os.getpriority(os.PRIO_PROCESS, me) == priority


def test_may_signal_and_limit_itself() -> None:
    told = run_confined("""
        import resource, threading
        thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        nicer = os.nice(0) + 1
        tell([attempt(os.kill, os.getpid(), 0), attempt(os.nice, 1) == str(nicer)])
    """)
    assert told == ["None", True]


def test_reaches_no_other_part_of_the_kernel() -> None:
    numbers = {
        "io_uring_setup": (425, 425), "add_key": (248, 217), "request_key": (249, 218),
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
    column = 0 if platform.machine() == "x86_64" else 1
    asked = {name: both[column] for name, both in numbers.items()}
    told = run_confined(
        f"tell({{n: call('syscall', k, 0, 0, 0, 0, 0) for n, k in {asked}.items()}})"
    )
    assert {name: answer for name, answer in told.items() if answer != "EPERM"} == {}


def test_types_into_no_terminal_and_sets_no_owner_of_signals() -> None:
    told = run_confined("""
        import fcntl
        tell([attempt(fcntl.ioctl, 0, code, b"x" * 8) for code in (0x5412, 0x541C, 0x8901, 0x5452)]
             + [attempt(fcntl.fcntl, 0, code, 1) for code in (8, 10, 15, 1026)]
             + [attempt(open, "/dev/tty")])
    """)
    assert set(told) <= DENIED


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the 32-bit table is of x86-64")
def test_calls_of_the_32_bit_table_are_denied() -> None:
    assert run_confined("tell(call('syscall', 0x40000000 + 57))") == "EPERM"


@pytest.mark.parametrize("name", ["x86_64", "aarch64"])
def test_the_filter_of_each_machine_fits_the_kernel(name: str) -> None:
    code = seccomp.filter_program(name, 1234, devices=False)
    assert len(code) % 8 == 0
    assert len(code) // 8 <= 4096


def test_sees_a_named_list_of_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("LD_PRELOAD", "")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    told = run_confined("tell([dict(os.environ), sys.path, os.listdir('.')])")
    assert not {"MY_TOKEN", "PYTHONPATH", "LD_PRELOAD", "PATH"} & set(told[0])
    assert told[0]["OMP_NUM_THREADS"] == "3"
    assert "" not in told[1]
    assert "/somewhere" not in told[1]
    assert told[2] == []


def test_threads_that_begin_later_are_confined_too(private: Path) -> None:
    told = run_confined(f"""
        import numpy, threading
        found = []
        thread = threading.Thread(target=lambda: found.append(attempt(open, {str(private)!r})))
        thread.start(); thread.join()
        tell(found)
    """)
    assert told == ["EACCES"]


def test_a_broad_rule_is_narrowed_later(private: Path) -> None:
    slide = private.with_name("slide.svs")
    slide.write_text("pixels")
    told = run_confined(
        f"""
        import numpy, tifffile, imagecodecs, openslide
        from viewer.processes.confinement.inside import narrow
        threads = len(os.listdir("/proc/self/task"))
        before = attempt(lambda: open({str(private)!r}).read())
        narrow([{str(slide)!r}], instead_of=["/"])
        import h5py
        tell([threads, before, attempt(lambda: open({str(slide)!r}).read()),
              attempt(open, {str(private)!r}), attempt(open, "scratch", "w")])
        """,
        readable_paths=["/"],
        environment={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    assert told == [1, repr("the secret"), repr("pixels"), "EACCES", "EACCES"]


def test_narrowed_to_nothing_no_file_of_the_user_is_left(private: Path) -> None:
    told = run_confined(
        f"""
        from viewer.processes.confinement.inside import narrow
        narrow([], instead_of=["/"])
        tell([attempt(open, {str(private)!r}), attempt(os.listdir, "/"), attempt(open, "a", "w")])
        """,
        readable_paths=["/"],
    )
    assert set(told) == {"EACCES"}


def test_torch_computes_inside() -> None:
    told = run_confined("""
        import torch
        with torch.inference_mode():
            value = torch.nn.Conv2d(3, 4, 3)(torch.ones(1, 3, 256, 256)).shape
        layer = torch.nn.Linear(4, 1); layer(torch.ones(2, 4)).sum().backward()
        tell([list(value), layer.weight.grad.tolist()])
    """)
    assert told == [[1, 4, 254, 254], [[2.0] * 4]]
