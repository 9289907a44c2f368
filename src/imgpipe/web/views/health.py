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

if TYPE_CHECKING:
    from imgpipe.web.app import App
    from imgpipe.web.broker import Broker
    from imgpipe.web.http import Request, Response
    from imgpipe.web.settings import WebSettings

_LEAST_FREE_BYTES = 100 << 20


def health(_request: Request, app: App) -> Response:
    """Say that the server is there, and what is wrong around it, if anything; 200 as long as it serves."""
    workers = app.broker.live_workers()
    checks = _checks(app.settings) | _queue_checks(app.broker, len(workers))
    document = {
        "status": "healthy" if all(check["ok"] for check in checks.values()) else "degraded",
        "version": imgpipe.__version__,
        "uptime_s": round(app.uptime_seconds, 3),
        "queue": app.broker.kind,
        "workers": len(workers),
        "checks": checks,
    }
    return json_response(document)


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


def _checks(settings: WebSettings) -> dict[str, dict[str, Any]]:
    readable = os.access(settings.images, os.R_OK | os.X_OK)
    writable = os.access(settings.processed, os.W_OK | os.X_OK)
    try:
        free = shutil.disk_usage(settings.processed).free
    except OSError:
        free = 0
    return {
        "images": {"ok": readable},
        "processed": {"ok": writable},
        "disk": {"ok": free >= _LEAST_FREE_BYTES, "free_bytes": free},
    }


def _queue_checks(broker: Broker, workers: int) -> dict[str, dict[str, Any]]:
    """Check without asking: a Redis that is away must not keep anybody who asks for our health."""
    trouble = broker.trouble
    return {
        "queue": {"ok": not trouble, "detail": trouble or None},
        "workers": {"ok": workers > 0, "count": workers},
    }
