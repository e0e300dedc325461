"""A helper inside the confinement tries each thing that is denied, by the system calls."""

from __future__ import annotations

import json
import os
import pwd
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from attack_steps import can_confine, run_confined, without_landlock
from denied_calls import (
    IS_X86,
    OF_NAMES,
    OF_OTHERS,
    OF_PROGRAMS,
    OF_RIGHTS,
    OF_SOCKETS,
    OF_THE_KERNEL,
    not_denied,
)

from viewer.processes.confinement import launching, readable, seccomp, syscalls

pytestmark = pytest.mark.skipif(not can_confine, reason="Landlock and seccomp are not here")

DENIED = {"EPERM", "EACCES"}
REPOSITORY = Path(__file__).parents[2]
PLACES = [
    pwd.getpwuid(os.getuid()).pw_dir, "/", "/dev", "/dev/shm", "/etc", "/home", "/mnt",  # noqa: S108
    "/opt", "/proc", "/root", "/run", "/srv", "/sys", "/tmp", "/usr", "/usr/local",  # noqa: S108
    "/usr/share", "/var", "/var/lib", "/var/tmp",  # noqa: S108
    str(REPOSITORY), str(REPOSITORY / "tests"), str(REPOSITORY / "docs"),
]  # fmt: skip
"""Where people and programs keep files."""


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
              attempt(os.listdir, os.path.dirname(path)),
              attempt(open, "/etc/passwd"), attempt(open, {str(REPOSITORY / "pyproject.toml")!r}),
              *(attempt(os.listdir, place) for place in {PLACES})])
    """)
    assert told[0] == "EACCES"
    assert told[1] != "None"
    assert set(told[2:]) <= {"EACCES", "ENOENT"}
    assert told[-len(PLACES) + 1] == "EACCES"


def test_imports_from_the_standard_library_and_installed_packages_alone() -> None:
    """Nothing is added by the environment, `.pth` files, the user's packages or its own folder."""
    flags, path, has_site = run_confined("""
        tell([[sys.flags.ignore_environment, sys.flags.no_user_site, sys.flags.no_site,
               sys.flags.safe_path], sys.path, "site" in sys.modules])
    """)
    assert flags == [1, 1, 1, True]
    assert not has_site
    assert path.pop(0) == ".", "timeit, which runs this, lays it there"
    own = {f"python{sys.version_info.major}{sys.version_info.minor}.zip", "lib-dynload"}
    libraries = {sysconfig.get_path("stdlib"), *readable.package_folders()}
    assert {each for each in path if Path(each).name not in own} == libraries


def test_reads_what_it_was_given_and_does_not_write_it(private: Path) -> None:
    inner = private.with_name("inner")
    inner.mkdir()
    told = run_confined(
        f"""
        path = {str(private)!r}
        tell([attempt(lambda: open(path).read()), attempt(open, path, "a"),
              attempt(os.open, path, os.O_RDONLY | os.O_TRUNC), attempt(os.open, path, 3),
              attempt(os.open, path, 3 | os.O_TRUNC), attempt(os.truncate, path, 0),
              attempt(os.unlink, path), attempt(os.rename, path, "mine"),
              attempt(os.rename, path, path + ".renamed"), attempt(os.rmdir, {str(inner)!r}),
              attempt(os.link, path, "mine"), attempt(os.symlink, path, "mine"),
              attempt(open, path + ".new", "w"), attempt(os.mkdir, path + ".folder")])
        """,
        readable_paths=[str(private), str(private.parent)],
    )
    assert told[0] == repr("the secret")
    assert set(told[1:]) <= DENIED | {"EXDEV"}
    assert private.read_text() == "the secret"
    assert sorted(private.parent.iterdir()) == [inner, private]
    assert not_denied(OF_NAMES) == {}


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
    assert not_denied(OF_RIGHTS) == {}
    after = private.stat()
    assert (after.st_mode, after.st_mtime, after.st_uid) == (
        before.st_mode, before.st_mtime, before.st_uid,
    )  # fmt: skip


def test_writes_in_its_private_folder_which_goes_with_it() -> None:
    told = run_confined("""
        open("a", "w").write("x"); os.rename("a", "b"); text = open("b").read()
        os.unlink("b"); os.mkdir("c"); os.rmdir("c")
        tell([text, os.stat(".").st_mode & 0o777, os.getcwd(), os.environ["HOME"],
              os.environ["TMPDIR"]])
    """)
    assert told[:2] == ["x", 0o700]
    assert len(set(told[2:])) == 1
    assert not Path(told[2]).exists()


def test_writes_nowhere_else(private: Path) -> None:
    told = run_confined(f"""
        tell([attempt(open, place + "/a", "w") for place in {[*PLACES, str(private.parent)]}]
             + [attempt(os.mkdir, place + "/b") for place in {[*PLACES, str(private.parent)]}]
             + [attempt(os.open, "/tmp", os.O_TMPFILE | os.O_RDWR), attempt(open, "../a", "w")])
    """)
    assert set(told) <= {"EACCES", "ENOENT", "EROFS"}


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
                 + [attempt(socket.socket, family, kind)
                    for family in range(1, 46) for kind in (1, 2, 3, 5)]
                 + [call("socketpair", 1, 2, 0, pair), call("accept", 0, None, None),
                    attempt(socket.create_connection, ("127.0.0.1", {port}))])
        """)
        assert set(told) == {"EPERM"}
    assert not_denied(OF_SOCKETS) == {}


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
    assert not_denied(OF_PROGRAMS) == {}


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
    assert not_denied(OF_OTHERS) == {}


def test_may_signal_and_limit_itself() -> None:
    told = run_confined("""
        import resource, threading
        thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        nicer = os.nice(0) + 1
        tell([attempt(os.kill, os.getpid(), 0), attempt(os.nice, 1) == str(nicer),
              resource.getrlimit(resource.RLIMIT_CORE)])
    """)
    assert told == ["None", True, [0, 0]], "nor does it leave its memory behind"


def test_reaches_no_other_part_of_the_kernel() -> None:
    assert not_denied(OF_THE_KERNEL) == {}


def test_what_is_not_listed_fails() -> None:
    listed = {both[not IS_X86] for both in (syscalls.ALWAYS | syscalls.CHECKED).values()}
    absent = {both[not IS_X86] for both in syscalls.ABSENT.values()}
    of_probes = {335, 336} if IS_X86 else set()  # the kernel asks no filter about them
    others = {str(number): (number, number) for number in {*range(1024)} - listed - of_probes}
    assert not_denied(others) == {str(number): "ENOSYS" for number in absent}


def test_types_into_no_terminal_and_sets_no_owner_of_signals() -> None:
    told = run_confined("""
        import fcntl
        tell([attempt(fcntl.ioctl, 0, code, b"x" * 8) for code in (0x5412, 0x541C, 0x8901, 0x5452)]
             + [attempt(fcntl.fcntl, 0, code, 1) for code in (8, 10, 15, 1026)]
             + [attempt(open, "/dev/tty")])
    """)
    assert set(told) <= DENIED


@pytest.mark.skipif(not IS_X86, reason="the 32-bit table is of x86-64")
def test_calls_of_the_32_bit_table_are_denied() -> None:
    assert run_confined("tell(call('syscall', 0x40000000 + 57))") == "EPERM"
    # mov eax, 20; int 0x80; ret: getpid of the 32-bit kernel, 20 of the other is allowed
    with pytest.raises(AssertionError, match=r"said nothing \(-(31|11)\)"):
        run_confined("""
            import mmap
            page = mmap.mmap(-1, 4096, prot=7)
            page.write(bytes.fromhex("b814000000cd80c3"))
            place = ctypes.addressof(ctypes.c_char.from_buffer(page))
            tell(ctypes.CFUNCTYPE(ctypes.c_int)(place)())
        """)


def entered(*prefix: str) -> subprocess.CompletedProcess[str]:
    """What becomes of a child that is to be confined and to say so, started by a command."""
    orders = ["confined=", "main=timeit", f"packages={readable.package_root()}"]
    orders += [f"read={path}" for path in readable.library_paths()]
    arguments = [*orders, "--", "-n1", "-r1", "print('it runs')"]
    return subprocess.run(
        [*prefix, str(launching._ENTRY), *arguments], capture_output=True, text=True, timeout=30
    )


def test_what_cannot_be_confined_does_not_begin() -> None:
    """Without a kernel that can, and with a thread that would keep its rights."""
    python = (sys.executable, "-S")
    second_thread = """
import runpy, sys, threading, time
threading.Thread(target=time.sleep, args=(5,), daemon=True).start()
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    refused = [entered(*without_landlock(), *python), entered(*python, "-c", second_thread)]
    assert [each.stdout for each in refused] == ["", ""]
    assert [each.returncode for each in refused] == [70, 70]
    assert "no Landlock" in refused[0].stderr
    assert "second thread" in refused[1].stderr
    assert "it runs" in entered(*python).stdout


def test_the_filter_for_a_graphics_device_denies_what_is_none_of_its() -> None:
    """Any ioctl of the driver has to pass: not those of terminals, signals and attributes."""
    code = """
import ctypes, errno, json, os
from viewer.processes.confinement import landlock, seccomp
landlock.forbid_new_privileges()
seccomp.apply_filter(devices=True)
libc = ctypes.CDLL(None, use_errno=True)
found = []
for code in (
    0x5412, 0x541C, 0x5452, 0x8901, 0x8902, 0x40086602, 0x40087602, 0x401C5820, 0xC0104600
):
    libc.ioctl(-1, ctypes.c_ulong(code), 0)  # the kernel would say that this is no file
    found.append(errno.errorcode[ctypes.get_errno()])
print(json.dumps(found))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    *denied, driver = json.loads(done.stdout)
    assert set(denied) == {"EPERM"}
    assert driver == "EBADF"


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
    named = ("CUDA_", "LANG", "LC_", "TZ", "OMP_", "OPENBLAS_", "MKL_")
    given = {"HOME", "TMPDIR", "XDG_CACHE_HOME", "USER", "LOGNAME", "TORCH_DEVICE_BACKEND_AUTOLOAD"}
    assert {name for name in told[0] if not name.startswith(named)} == given
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


def test_nothing_is_narrowed_that_a_thread_would_keep(private: Path) -> None:
    told = run_confined(
        """
        import threading
        from viewer.processes.confinement.inside import narrow
        is_over = threading.Event()
        thread = threading.Thread(target=is_over.wait)
        thread.start()
        try:
            narrow([], instead_of=["/"])
            tell("narrowed")
        except RuntimeError as error:
            tell(str(error))
        is_over.set()
        """,
        readable_paths=[str(private)],
    )
    assert "while there is one thread" in told


def test_torch_computes_inside() -> None:
    told = run_confined("""
        import torch
        with torch.inference_mode():
            value = torch.nn.Conv2d(3, 4, 3)(torch.ones(1, 3, 256, 256)).shape
        layer = torch.nn.Linear(4, 1); layer(torch.ones(2, 4)).sum().backward()
        tell([list(value), layer.weight.grad.tolist()])
    """)
    assert told == [[1, 4, 254, 254], [[2.0] * 4]]
