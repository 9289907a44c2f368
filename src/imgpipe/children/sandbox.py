"""Sandbox: takes from a child process all rights but those that its pictures need: over files and TCP with Landlock.

The kernel holds the child to it from then on, whatever runs in it. What is not covered: the metadata of files (they can
be looked up anywhere, and their modes changed where the user may), and what is open already.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgpipe.children.system_calls import can_refuse_calls, libc, refusal, refuse_calls
from imgpipe.errors import BadOption

if TYPE_CHECKING:
    from collections.abc import Iterable

# From linux/landlock.h; the numbers of the system calls are the same on every machine that Python runs on.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION, _RULE_PATH_BENEATH, _PR_SET_NO_NEW_PRIVS = 1, 1, 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_FILE, _MAKE_DIR, _MAKE_REG, _TRUNCATE = 1 << 5, 1 << 7, 1 << 8, 1 << 14
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE  # the others are rights over what is in a folder

_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _TRUNCATE

_RIGHTS_OF_ABI = {1: 13, 2: 14, 3: 15, 5: 16}  # how many rights over files the kernel knows from this version on
_NET, _SCOPES = 0b11, 0b11  # bind and connect of TCP; abstract unix sockets and signals
_NET_ABI, _SCOPE_ABI = 4, 6
_SINCE = {3: "truncating files", 4: "TCP", 5: "ioctl on devices", 6: "signals and abstract sockets"}

_SYSTEM = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/proc/self", "/dev/null", "/dev/urandom")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What children may do: read below the folders `read`, read and write below those of `write`. Nothing is run.

    Python, its libraries and the modules of the pipeline can be read too. Symbolic links that lead elsewhere cannot be
    followed. With pictures that are replaced in place, their folder has to be in `write`. Raises `BadOption` where the
    kernel has no Landlock: a sandbox that is none would be worse.
    """

    read: tuple[str, ...]
    write: tuple[str, ...]

    def __post_init__(self) -> None:
        """Make the folders absolute: a child may stand elsewhere."""
        if not landlock_abi():
            raise BadOption("sandbox", sys.platform, "a Linux kernel, 5.13 or newer, with Landlock switched on")
        for name in ("read", "write"):
            object.__setattr__(self, name, tuple(dict.fromkeys(map(os.path.realpath, getattr(self, name)))))

    def enter(self, modules: Iterable[str] = ()) -> None:
        """Confine this process for ever; `modules` are those of the filters, which may load more of their package.

        Raises `OSError` if the kernel refuses, and where another thread is there already: it would stay free.
        """
        threads = len(os.listdir("/proc/self/task"))
        if threads > 1:
            raise OSError(f"--sandbox cannot confine {threads} threads; a filter's module starts them when imported")
        abi = landlock_abi()
        known = (1 << _RIGHTS_OF_ABI[max(version for version in _RIGHTS_OF_ABI if version <= abi)]) - 1
        words = (known, _NET if abi >= _NET_ABI else None, _SCOPES if abi >= _SCOPE_ABI else None)
        attributes = b"".join(struct.pack("=Q", word) for word in words if word is not None)
        ruleset = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
        try:
            for path in (*_python_paths(), *map(_home_of, modules), *_SYSTEM, *self.read):
                if os.path.exists(path):  # what is not there cannot be read
                    _allow(ruleset, path, _READ & known)
            for path in self.write:
                _allow(ruleset, path, _WRITE & known)
            libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            _call(_RESTRICT_SELF, ruleset, 0)
            if can_refuse_calls():
                refuse_calls()
        finally:
            os.close(ruleset)


def keep_to_one_thread() -> None:
    """Let libraries that are loaded from now on start no threads of their own."""
    os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def landlock_abi() -> int:
    """Return the version of Landlock that the kernel speaks, 0 for none."""
    if sys.platform != "linux":
        return 0
    try:
        return _call(_CREATE_RULESET, None, ctypes.c_size_t(0), _CREATE_RULESET_VERSION)
    except OSError:  # the kernel is too old or has it switched off, or a container forbids to ask
        return 0


def not_covered(abi: int) -> list[str]:
    """Return what a kernel with this version cannot forbid, though others can."""
    lacking = [what for since, what in _SINCE.items() if abi < since]
    return lacking if can_refuse_calls() else [*lacking, "more processes", "UDP and unix sockets"]


def _python_paths() -> set[str]:
    """Return the folders that an import may read: Python's own, and those of installed packages."""
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    installed = {path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")}
    return prefixes | installed | {os.path.dirname(os.__file__), _home_of(__name__)}


def _home_of(module: str) -> str:
    """Return the folder of the outermost package of a module, or its file if it has none."""
    file = getattr(sys.modules.get(module.partition(".")[0]), "__file__", None) or os.devnull
    return os.path.dirname(file) if os.path.basename(file) == "__init__.py" else file


def _allow(ruleset: int, path: str, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _OF_FILES
        _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    """Make a system call for which the C library has no name. Raises `OSError`."""
    answer: int = libc().syscall(ctypes.c_long(number), *arguments)
    if answer < 0:
        raise refusal()
    return answer
