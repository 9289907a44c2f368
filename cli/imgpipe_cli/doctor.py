"""doctor: looks at everything that imgpipe relies on, and says how to mend what is wrong."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sys
import sysconfig
import tempfile
import warnings
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from imgpipe.display import display_name
from imgpipe.errors import BadOption, QueueRefused, QueueUnavailable
from imgpipe.queue.health import Finding as Check
from imgpipe_cli.codes import ExitCode
from imgpipe_cli.show import size, symbols

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCHEMA = "imgpipe.doctor/1"

_SAFE_PILLOW = (12, 3)  # below, decoders have published holes
_FREE_BYTES = 1_000_000_000  # of disk and of memory: below, large pictures may not fit
_OPEN_FILES = 256
_WHEEL = "pip install --force-reinstall --only-binary :all: pillow"


@click.command("doctor", short_help="Check what imgpipe relies on, and say how to mend it.")
@click.option("--redis", "redis_url", metavar="URL", help="Check the Redis server there as well.")
@click.option("--sbom", is_flag=True, help="List the codecs that are bundled with the libraries, too.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document to stdout.")
def doctor_command(redis_url: str | None, sbom: bool, as_json: bool) -> ExitCode:
    """Check what imgpipe relies on: Python, libraries, cores, memory, disk and terminal.

    Exit code 7 means that something failed; a warning does not count.
    """
    checks = gather() + (_redis_server(redis_url) if redis_url is not None else [])
    failed = any(check.state == "fail" for check in checks)
    if as_json:
        data = {"schema": SCHEMA, "ok": not failed, "checks": [asdict(check) for check in checks]}
        click.echo(json.dumps(data | ({"sbom": bundled()} if sbom else {})))
    else:
        for line in _lines(checks, symbols(sys.stdout.encoding)[2]):
            click.echo(display_name(line))
        for part in bundled() if sbom else ():
            click.echo(display_name(f"{part['in']:10}  {part['name']:14}  {part['version']}"))
    return ExitCode.CHECK_FAILED if failed else ExitCode.DONE


def _lines(checks: list[Check], arrow: str) -> Iterator[str]:
    width = max(len(check.name) for check in checks)
    for check in checks:
        yield f"{check.state:4}  {check.name:{width}}  {check.found}"
        if check.remedy:
            yield f"{'':4}  {'':{width}}  {arrow} {check.remedy}"


def gather() -> list[Check]:
    """Look at everything; a look that fails becomes a failed check of its own."""
    looks: tuple[tuple[str, Callable[[], Check]], ...] = (
        ("python", _python),
        ("pillow", _pillow),
        ("codecs", _codecs),
        ("opencv", _opencv),
        ("engines", _engines),
        ("numpy", _numpy),
        ("filters", _filters),
        ("cores", _cores),
        ("processes", _processes),
        ("sandbox", _sandbox),
        ("redis", _redis),
        ("memory", _memory),
        ("temporary", _temporary),
        ("disk", _disk),
        ("open files", _open_files),
        ("terminal", _terminal),
    )
    checks = []
    for name, look in looks:
        try:
            checks.append(look())
        except Exception as error:  # noqa: BLE001 - whatever is broken here, the other checks still help
            remedy = "pip install --force-reinstall imgpipe" if isinstance(error, ImportError) else ""
            checks.append(Check(name, "fail", f"{type(error).__name__}: {error}", remedy))
    return checks


def bundled() -> list[dict[str, str]]:
    """Return the libraries that read and write pictures, with what each is part of, as far as they are here.

    libvips does not tell the versions of what it was built with.
    """
    from PIL import features  # noqa: PLC0415 - only for this list

    from imgpipe.filters._opencv import opencv  # noqa: PLC0415 - a tenth of a second
    from imgpipe.pictures import turbo, vips  # noqa: PLC0415 - numpy

    parts = [("pillow", name, features.version(name)) for name in _CODECS if features.check(name)]
    parts += [
        ("opencv", name.lower(), version) for name, version in _CODEC_OF_OPENCV.findall(opencv().getBuildInformation())
    ]
    for extra, version in (("turbo", turbo.version), ("vips", vips.version)):
        try:
            name, _, number = version().partition(" ")
        except (ImportError, OSError):  # the check of the engines says so
            continue
        parts.append((extra, name, number))
    return [{"in": whole, "name": name, "version": version or ""} for whole, name, version in parts]


_CODECS = ("libjpeg_turbo", "zlib", "zlib_ng", "webp", "libtiff", "avif", "littlecms2")
_CODEC_OF_OPENCV = re.compile(r"^ +(JPEG|PNG|ZLib|WEBP|TIFF|AVIF|JPEG 2000): +\S+ \(ver (.*)\)", re.MULTILINE)


def _python() -> Check:
    without = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    enabled = getattr(sys, "_is_gil_enabled", lambda: True)()
    build = "free-threaded build" + (", GIL switched on" if enabled else ", no GIL") if without else "with GIL"
    return Check("python", "ok", f"{platform.python_implementation()} {platform.python_version()}, {build}")


def _pillow() -> Check:
    import PIL  # noqa: PLC0415 - only for this check

    numbers = tuple(int(part) for part in PIL.__version__.split(".")[:2])
    if numbers < _SAFE_PILLOW:
        return Check(
            "pillow", "fail", f"{PIL.__version__}: its decoders have published holes", "pip install --upgrade pillow"
        )
    return Check("pillow", "ok", PIL.__version__)


def _codecs() -> Check:
    """Look for what this build of Pillow can read and write, and how fast."""
    from PIL import features  # noqa: PLC0415 - only for this check

    needed = {name: features.check(feature) for name, feature in (("jpeg", "jpg"), ("png", "zlib"))}
    needed["colour profiles"] = features.check("littlecms2")
    useful = {name: features.check(feature) for name, feature in _USEFUL.items()}
    have = ", ".join(name for name, there in {**needed, **useful}.items() if there)
    lacking = ", ".join(name for name, there in {**needed, **useful}.items() if not there)
    if not lacking:
        return Check("codecs", "ok", have)
    return Check("codecs", "warn" if all(needed.values()) else "fail", f"{have}; without {lacking}", _WHEEL)


_USEFUL = {"webp": "webp", "avif": "avif", "tiff": "libtiff", "turbo jpeg": "libjpeg_turbo", "fast png": "zlib_ng"}
"""Formats that may be missing, and libraries that make JPEG and PNG two to six times faster."""


def _opencv() -> Check:
    from imgpipe.filters._opencv import opencv  # noqa: PLC0415 - a tenth of a second

    cv2 = opencv()
    threads = cv2.getNumThreads()
    if threads > 1:
        remedy = "this build ignores the limit: pip install --force-reinstall opencv-python-headless"
        return Check("opencv", "warn", f"{cv2.__version__}, {threads} threads for each worker", remedy)
    return Check("opencv", "ok", f"{cv2.__version__}, one thread for each worker")


def _engines() -> Check:
    """Look for the libraries that `--engine` can use beside Pillow, and load them."""
    from imgpipe.pictures import turbo, vips  # noqa: PLC0415 - numpy

    found, broken = [], []
    for name, require, version in (
        ("turbo", turbo.require_turbo, turbo.version),
        ("vips", vips.require_vips, vips.version),
    ):
        try:
            require()
            found.append(f"{name} ({version()})")
        except BadOption:
            found.append(f"no {name} (pip install 'imgpipe[{name}]')")
        except (ImportError, OSError) as error:  # its Python part is there, what that is for is not
            found.append(f"no {name} ({error})")
            broken.append(name)
    remedy = f"pip install --force-reinstall 'imgpipe[{','.join(broken)}]'" if broken else ""
    return Check("engines", "warn" if broken else "ok", f"pillow, {', '.join(found)}", remedy)


def _numpy() -> Check:
    import numpy as np  # noqa: PLC0415 - only for this check

    return Check("numpy", "ok", np.__version__)


def _filters() -> Check:
    from imgpipe.filters import names  # noqa: PLC0415 - numpy and Pillow

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        count = len(names())
    broken = "; ".join(str(warning.message) for warning in caught)
    if broken:
        return Check("filters", "warn", f"{count} filters; {broken}", "update or uninstall the package of this plugin")
    return Check("filters", "ok", f"{count} filters")


def _cores() -> Check:
    from imgpipe.machine import usable_cores  # noqa: PLC0415 - loads psutil

    usable, machine = usable_cores(), os.cpu_count() or 1
    limited = " (affinity or quota of the container)" if usable < machine else ""
    return Check("cores", "ok", f"{usable} usable of {machine}{limited}")


def _processes() -> Check:
    from imgpipe.children.process import start_method  # noqa: PLC0415 - numpy and Pillow

    return Check("processes", "ok", f"children are started with {start_method()}")


def _sandbox() -> Check:
    from imgpipe.children.sandbox import landlock_abi, not_covered  # noqa: PLC0415 - as the others

    abi = landlock_abi()
    if not abi:
        return Check("sandbox", "ok", "not available: --sandbox needs Linux 5.13 or newer with Landlock switched on")
    lacking = not_covered(abi)
    but = f"; this kernel cannot forbid {', '.join(lacking)}" if lacking else ""
    return Check("sandbox", "ok", f"available, Landlock version {abi}{but}")


def _redis() -> Check:
    """Look for the server that would be started where none is named."""
    from imgpipe.queue import server  # noqa: PLC0415 - as the others

    path = server.find_binary()
    if path is None:
        return Check("redis", "ok", f"no server of its own for a queue on this machine: {server.HOW_TO_GET_ONE}")
    version = ".".join(str(part) for part in server.binary_version(path) or ())
    return Check("redis", "ok", f"{version} for a queue on this machine: {path}")


def _redis_server(url: str) -> list[Check]:
    """Ask the server at `url` how it is."""
    from imgpipe.queue.redis import RedisQueue  # noqa: PLC0415 - loads redis

    queue = RedisQueue(url)
    try:
        return [replace(check, name=f"redis {check.name}") for check in queue.examine()]
    except (QueueUnavailable, QueueRefused) as error:
        return [Check("redis server", "fail", str(error), "start it, or correct --redis")]
    finally:
        queue.close()


def _memory() -> Check:
    from imgpipe import machine  # noqa: PLC0415 - loads psutil

    limit, budget = machine.memory_limit_bytes(), machine.default_memory_bytes()
    source = "no limit of a container" if limit is None else f"{size(limit)} limit of the container"
    found = f"{size(machine.usable_memory_bytes())} usable, {source}, {size(budget)} for pictures in work"
    if budget < _FREE_BYTES:
        return Check("memory", "warn", found, "close other programs, raise the limit, or use --workers 1")
    return Check("memory", "ok", found)


def _temporary() -> Check:
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"imgpipe")
            file.flush()
    except OSError as error:
        return Check("temporary", "fail", f"cannot be written: {error}", "set TMPDIR to a folder that can be written")
    return Check("temporary", "ok", f"{tempfile.gettempdir()} can be written")


def _disk() -> Check:
    try:
        free = shutil.disk_usage(os.getcwd()).free
    except OSError as error:
        return Check("disk", "fail", f"the current folder cannot be used: {error}", "change to a folder that exists")
    if free < _FREE_BYTES:
        return Check("disk", "warn", f"{size(free)} free in this folder", "write to another disk with --output")
    return Check("disk", "ok", f"{size(free)} free in this folder")


def _open_files() -> Check:
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return Check("open files", "ok", "no limit that matters on this system")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return Check("open files", "ok", "no limit")
    if soft < _OPEN_FILES:
        return Check("open files", "warn", f"at most {soft}", f"ulimit -n {_OPEN_FILES * 4}")
    return Check("open files", "ok", f"at most {soft}")


def _terminal() -> Check:
    encoding = sys.stdout.encoding or "ascii"
    if encoding.lower().replace("-", "").replace("_", "") != "utf8":
        found = f"{encoding}: names outside of it are shown as escapes"
        return Check("terminal", "warn", found, "export PYTHONUTF8=1")
    return Check("terminal", "ok", encoding)
