"""System calls: takes from a process those with which it could start others, or talk past its sandbox (seccomp).

Landlock knows files and TCP; what it does not know is refused here: more processes, programs, sockets of any kind, a
look into other processes, and the two ways round such a filter (io_uring, calls of another architecture).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from functools import cache
from typing import NamedTuple

# From linux/filter.h, linux/seccomp.h and linux/prctl.h.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # where they are in seccomp_data, on little-endian machines
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_CLONE_THREAD, _X32 = 0x00010000, 0x40000000


class _Machine(NamedTuple):
    """What a machine calls its system calls."""

    architecture: int
    clone: int
    refused: tuple[int, ...]


_MACHINES = {
    # fork, vfork, execve, execveat, ptrace, process_vm_readv, process_vm_writev, socket, unshare, setns
    "x86_64": _Machine(0xC000003E, 56, (57, 58, 59, 322, 101, 310, 311, 41, 272, 308)),
    # execve, execveat, ptrace, process_vm_readv, process_vm_writev, socket, unshare, setns
    "aarch64": _Machine(0xC00000B7, 220, (221, 281, 117, 270, 271, 198, 97, 268)),
}
_CLONE3, _IO_URING_SETUP = 435, 425  # the same everywhere; their users do without where a kernel does not have them


@cache
def libc() -> ctypes.CDLL:
    """Return the C library of this process."""
    return ctypes.CDLL(None, use_errno=True)


def refusal() -> OSError:
    """Return what the kernel has answered to a call that it did not make."""
    code = ctypes.get_errno()
    return OSError(code, f"the kernel refuses the sandbox: {os.strerror(code)}")


def can_refuse_calls() -> bool:
    """Say whether the kernel takes a filter of system calls, and it is known what they are called on this machine."""
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        return False
    libc().prctl(_PR_SET_SECCOMP, _MODE_FILTER, None, 0, 0)
    return ctypes.get_errno() == errno.EFAULT  # it would have liked to read it


def refuse_calls() -> None:
    """Refuse them to this process for ever, where `can_refuse_calls`; its threads are free to start others.

    The process has to have given up privileges (`PR_SET_NO_NEW_PRIVS`). Raises `OSError` if the kernel does not do it.
    """
    lines = _filter(platform.machine())
    program = ctypes.create_string_buffer(b"".join(lines))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(lines), ctypes.addressof(program)))
    if libc().prctl(_PR_SET_SECCOMP, _MODE_FILTER, head, 0, 0):
        raise refusal()


def _filter(machine: str) -> list[bytes]:
    """Write the filter for the kernel's little machine: each line jumps so many lines further if it holds, or not."""
    known = _MACHINES[machine]
    refuse = _line(_RETURN, _REFUSE | errno.EPERM)
    lines = [_line(_LOAD, _ARCHITECTURE), _line(_EQUAL, known.architecture, 1, 0), refuse, _line(_LOAD, _NUMBER)]
    if machine == "x86_64":  # the same calls under other numbers
        lines += [_line(_AT_LEAST, _X32, 0, 1), refuse]
    for number in known.refused:
        lines += [_line(_EQUAL, number, 0, 1), refuse]
    for number in (_CLONE3, _IO_URING_SETUP):
        lines += [_line(_EQUAL, number, 0, 1), _line(_RETURN, _REFUSE | errno.ENOSYS)]
    lines += [_line(_EQUAL, known.clone, 0, 3), _line(_LOAD, _FIRST_ARGUMENT), _line(_ANY_BIT, _CLONE_THREAD, 1, 0)]
    return [*lines, refuse, _line(_RETURN, _ALLOW)]


def _line(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_so, if_not, value)
