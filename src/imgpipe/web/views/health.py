"""Health: whether the server can do its work, and what it has done so far."""

from __future__ import annotations

import os
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

import imgpipe
from imgpipe.machine import rss_bytes_of, usable_cores, usable_memory_bytes
from imgpipe.web.folders import all_pictures
from imgpipe.web.http import json_response
from imgpipe.web.problems import Fault, Refused

if TYPE_CHECKING:
    from imgpipe.web.app import App
    from imgpipe.web.broker import Broker
    from imgpipe.web.http import Request, Response
    from imgpipe.web.settings import WebSettings

_LEAST_FREE_BYTES = 100 << 20


def health(_request: Request, app: App) -> Response:
    """Say that the server is there, and what is wrong around it, if anything; 200 as long as it serves."""
    workers = app.broker.live_workers()
    checks = _checks(app.settings, app.broker) | {"workers": {"ok": bool(workers), "count": len(workers)}}
    document = {
        "status": "healthy" if all(check["ok"] for check in checks.values()) else "degraded",
        "version": imgpipe.__version__,
        "uptime_s": round(app.uptime_seconds, 3),
        "queue": app.broker.kind,
        "workers": len(workers),
        "checks": checks,
    }
    return json_response(document)


def live(_request: Request, app: App) -> Response:
    """Say that the server answers; whoever starts it anew when this is not so asks for no more."""
    return json_response({"status": "live", "uptime_s": round(app.uptime_seconds, 3)})


def ready(_request: Request, app: App) -> Response:
    """Say whether to send requests here. No worker is needed for that: tasks wait for one."""
    if app.draining.is_set():
        raise Refused(503, "stopping", "it finishes the requests in work, and takes no others")
    wrong = [Fault(name) for name, check in _checks(app.settings, app.broker).items() if not check["ok"]]
    if wrong:
        detail = "not in order: " + ", ".join(fault.detail for fault in wrong)
        raise Refused(503, "not-ready", detail, *wrong, headers=(("Retry-After", "2"),))
    return json_response({"status": "ready"})


def stats(_request: Request, app: App) -> Response:
    """Count requests, pictures and what the process uses."""
    statuses = app.counted()
    sizes = [_size(path) for path in all_pictures(app.settings)]
    document = {
        "uptime_s": round(app.uptime_seconds, 3),
        "requests": {"total": sum(statuses.values()), "by_status": {str(key): n for key, n in statuses.items()}},
        "images": {"count": len(sizes), "bytes": sum(sizes)},
        "process": {
            "memory_bytes": rss_bytes_of(os.getpid()),
            "cpu_seconds": round(time.process_time(), 3),
            "threads": threading.active_count(),
        },
        "machine": {"cores": usable_cores(), "free_memory_bytes": usable_memory_bytes()},
    }
    return json_response(document)


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:  # gone since it was listed
        return 0


def _checks(settings: WebSettings, broker: Broker) -> dict[str, dict[str, Any]]:
    """Check without asking the queue: a Redis that is away must not keep anybody who asks for our health."""
    try:
        free = shutil.disk_usage(settings.processed).free
    except OSError:
        free = 0
    trouble = broker.trouble
    return {
        "images": {"ok": os.access(settings.images, os.R_OK | os.X_OK)},
        "processed": {"ok": os.access(settings.processed, os.W_OK | os.X_OK)},
        "disk": {"ok": free >= _LEAST_FREE_BYTES, "free_bytes": free},
        "queue": {"ok": not trouble, "detail": trouble or None},
    }
