"""Confinement of a child process on Linux: Landlock for files, seccomp for system calls.

`launching.launch` starts a child. In it `entry` gives up all rights before a second thread exists
and before anything but os and ctypes is imported, and then calls `main` of the module that was
asked for. `inside.narrow` takes further rights away later on.
"""
