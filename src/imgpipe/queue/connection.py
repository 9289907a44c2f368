"""Connection: the only door to the library `redis`: opens it with every knob set, runs scripts, names its errors."""

from __future__ import annotations

import contextlib
import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from imgpipe.display import without_password
from imgpipe.errors import BadOption, QueueRefused, QueueUnavailable
from imgpipe.queue.limits import as_lua

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0
BLOCK_SECONDS = 2.0
"""The longest that a connection waits for a doorbell: far below `ANSWER_SECONDS`, or a bell would look like a fault."""

_FOR_ALL = ("_lib",)
_PARTS = {"claim": ("_lib", "_claim"), "finish": ("_lib", "_claim")}
_REFUSALS = ("NOAUTH", "WRONGPASS", "NOPERM", "ERR AUTH", "ERR Client sent AUTH", "ERR invalid password")
_FOR_NOW = (
    "LOADING",
    "READONLY",
    "MASTERDOWN",
    "TRYAGAIN",
    "CLUSTERDOWN",
    "BUSY",
    "UNKILLABLE",
    "NOREPLICAS",
    "MISCONF",
)


class QueueFull(QueueUnavailable):
    """Redis has no memory left for what is new."""


class Connection:
    """A client of one Redis. Each thread that calls has a connection of its own; nothing is sent twice by itself."""

    def __init__(self, url: str, prefix: str, fifo: str) -> None:
        self.prefix = prefix
        self._keys = [prefix + "meta", fifo]
        try:
            self._client = redis.Redis.from_url(
                url,
                socket_connect_timeout=CONNECT_SECONDS,
                socket_timeout=ANSWER_SECONDS,
                retry=Retry(NoBackoff(), 0),
                health_check_interval=0,
                protocol=2,
                client_name="imgpipe",
                decode_responses=False,
            )
        except (ValueError, AttributeError) as error:
            expected = f"redis://host:6379/0, rediss://… or unix:///path ({error})"
            raise BadOption("redis", without_password(url), expected) from error

    def script(self, name: str, *arguments: Any, now: str = "") -> Any:
        """Run a script and return its answer."""
        digest, text = _script(name)
        with errors():
            try:
                return self._client.evalsha(digest, len(self._keys), *self._keys, now, *arguments)
            except redis.exceptions.NoScriptError:
                return self._client.eval(text, len(self._keys), *self._keys, now, *arguments)

    def command(self, *words: Any) -> Any:
        """Run a command and return its answer as Redis gives it."""
        with errors():
            return self._client.execute_command(*words)  # type: ignore[no-untyped-call]

    def together(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Run commands in one step and return their answers."""
        words = [part for command in commands for part in (len(command), *command)]
        return list(self.script("look", len(commands), *words))

    def listen(self, key: str, seconds: float) -> None:
        """Wait for a doorbell, `BLOCK_SECONDS` at most."""
        self.command("BLPOP", key, max(min(seconds, BLOCK_SECONDS), 0.01))

    def info(self) -> dict[str, Any]:
        """Return what the server says of itself."""
        with errors():
            return dict(self._client.info())

    def time(self) -> tuple[int, int]:
        """Return the server's time: seconds since 1970, and microseconds."""
        seconds, microseconds = self.command("TIME")
        return int(seconds), int(microseconds)

    def ping(self) -> None:
        """Return when the server has answered."""
        self.command("PING")

    def close(self) -> None:
        """Close all connections."""
        with contextlib.suppress(redis.exceptions.RedisError, OSError):
            self._client.close()


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """Translate the library's errors: those worth another try, and those that are not."""
    try:
        yield
    except redis.exceptions.AuthenticationError as error:
        raise QueueRefused(f"Redis refuses the password: {error}") from error
    except redis.exceptions.OutOfMemoryError as error:
        raise QueueFull(f"Redis is full: {error}") from error
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError) as error:
        raise QueueUnavailable(f"Redis does not answer: {error}") from error
    except redis.exceptions.ResponseError as error:
        text = str(error)
        if text.startswith(_REFUSALS) or isinstance(error, redis.exceptions.NoPermissionError):
            raise QueueRefused(f"Redis refuses: {text}") from error
        if "OOM" in text:
            raise QueueFull(f"Redis is full: {text}") from error
        if text.startswith(_FOR_NOW):
            raise QueueUnavailable(f"Redis is busy: {text}") from error
        raise
    except redis.exceptions.RedisError as error:
        raise QueueUnavailable(f"Redis: {error}") from error


@cache
def _script(name: str) -> tuple[str, str]:
    folder = resources.files("imgpipe.queue") / "scripts"
    parts = (*_PARTS.get(name, _FOR_ALL), name)
    text = "\n".join((as_lua(), *((folder / f"{part}.lua").read_text(encoding="utf-8") for part in parts)))
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), text
