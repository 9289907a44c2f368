"""Compose: the file and the image are read, not run, for there need be no engine here; what can be tried is tried."""

from __future__ import annotations

import re
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from imgpipe_cli.serve import serve_command
from imgpipe_cli.worker import labels_of, worker_command

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WORKERS = {"worker-1": {"io"}, "worker-2": {"cpu"}, "worker-3": {"io", "cpu"}}
PAUSE = threading.Event()
PINNED = re.compile(r"[a-z0-9./-]+:\d+\.\d+\.\d+[a-z0-9.-]*(@sha256:[0-9a-f]{64})?")


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile, lines that are continued put together."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = (line.partition(" ") for line in text.replace("\\\n", " ").splitlines() if line.strip())
    return [(word, rest.strip()) for word, _, rest in lines]


def test_the_parts_are_those_that_are_spoken_of():
    """A Redis, an HTTP server, and three workers."""
    assert {"redis", "api", *WORKERS} == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_nobody_has_more_rights_than_needed(name):
    """No root, no writable system, no capability, and limits to everything."""
    service = SERVICES[name]

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["read_only"] is True
    assert ["ALL"] == service["cap_drop"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert {"cpus", "memory"} == set(service["deploy"]["resources"]["limits"])
    assert service["pids_limit"] > 0
    assert "privileged" not in service
    assert "test" in service["healthcheck"]
    assert "unless-stopped" == service["restart"]


def test_redis_is_not_published():
    """Nobody outside reaches it: no port, and a network without a way out."""
    assert "ports" not in SERVICES["redis"]
    assert ["inside"] == SERVICES["redis"]["networks"]
    assert COMPOSE["networks"]["inside"]["internal"] is True


def test_only_the_api_is_published_and_only_here():
    """One port, on the loopback."""
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert {"api": ["127.0.0.1:8000:8000"]} == published


def test_no_secret_stands_in_the_file():
    """Passwords come from files, and never as an argument or a variable of a container."""
    assert {"redis_password", "api_token"} == set(COMPOSE["secrets"])
    assert all("file" in secret for secret in COMPOSE["secrets"].values())
    assert not any("environment" in service or "env_file" in service for service in SERVICES.values())
    assert all("redis_password" in service["secrets"] for service in SERVICES.values())


def test_redis_starts_with_these_settings(redis_binary, tmp_path):
    """With a real server: it has a password, writes everything down, never evicts, and ends when it is told to."""
    (tmp_path / "password").write_text("0123456789abcdef\n")
    shell, option, script = SERVICES["redis"]["command"]
    script = script.replace("$$", "$").replace("/run/secrets/redis_password", str(tmp_path / "password"))
    for there, here in (
        ("/data", str(tmp_path)),
        ("/tmp/redis.conf", f"{tmp_path}/conf"),
        ("redis-server ", f"{redis_binary} "),
    ):
        script = script.replace(there, here)
    script = script.replace('"save', f'"port 0" "unixsocket {tmp_path}/redis.sock" "save')
    with subprocess.Popen([shell, option, script], stdout=subprocess.DEVNULL) as process:
        try:
            while not (tmp_path / "redis.sock").exists():
                assert process.poll() is None
                PAUSE.wait(0.01)
            path = f"{tmp_path}/redis.sock"
            with redis.Redis(unix_socket_path=path, password="0123456789abcdef") as client:
                settings = {name: client.config_get(name)[name] for name in ("appendonly", "maxmemory-policy", "save")}
            with (
                redis.Redis(unix_socket_path=path) as nobody,
                pytest.raises(redis.exceptions.AuthenticationError),
            ):
                nobody.ping()
        finally:
            process.terminate()

    assert {"appendonly": "yes", "maxmemory-policy": "noeviction", "save": ""} == settings
    assert (0, False) == (process.returncode, (tmp_path / "redis.sock").exists())


@pytest.mark.parametrize("name", WORKERS)
def test_workers_are_called_as_the_command_wants_it(name, tmp_path):
    """Each has the labels that its number promises, and touches nothing but the pictures."""
    command, *arguments = SERVICES[name]["command"]
    arguments = [argument.replace("/srv/pictures", str(tmp_path)) for argument in arguments]
    with worker_command.make_context("worker", [*arguments, "--redis", "redis://redis:6379/0"]) as context:
        given = context.params

    assert "worker" == command
    assert (name, WORKERS[name]) == (given["name"], set(labels_of(given["capabilities"])))
    assert (str(tmp_path),) == given["roots"]
    assert name == SERVICES[name]["hostname"]
    assert given["grace"] < int(SERVICES[name]["stop_grace_period"].removesuffix("s"))


def test_the_api_is_called_as_the_command_wants_it():
    """It listens beyond the container, and therefore has a token."""
    command, *arguments = SERVICES["api"]["command"]
    with serve_command.make_context("serve", arguments) as context:
        given = context.params

    assert "serve" == command
    assert ("0.0.0.0", "/run/secrets/api_token") == (given["host"], given["token_file"])
    assert "api_token" in SERVICES["api"]["secrets"]


def test_the_url_is_made_of_the_secret(tmp_path):
    """The entry point hands all arguments on, and the password in the environment of the process alone."""
    (tmp_path / "password").write_text("0123456789abcdef\n")
    (tmp_path / "imgpipe").write_text('#!/bin/sh\necho "$IMGPIPE_REDIS" "$@"\n')
    (tmp_path / "imgpipe").chmod(0o755)
    shell, option, script, name = SERVICES["worker-1"]["entrypoint"]
    script = script.replace("$$", "$").replace("/run/secrets/redis_password", str(tmp_path / "password"))
    done = subprocess.run(
        [shell, option, script, name, "worker", "--name=a b"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert "redis://:0123456789abcdef@redis:6379/0 worker --name=a b\n" == done.stdout


def test_images_are_pinned():
    """A version with three numbers; whoever knows the digest adds it."""
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]

    assert all(PINNED.fullmatch(image) for image in [*bases, SERVICES["redis"]["image"]])
    assert 1 == len(set(bases))


def test_the_image_runs_as_nobody_in_particular():
    """Its last user is not root, its dependencies are those of the lock, and it gets its signals itself."""
    words = instructions()
    users = [rest for word, rest in words if word == "USER"]
    runs = " ".join(rest for word, rest in words if word == "RUN")

    assert ["10001:10001"] == users
    assert "--require-hashes -r requirements/run.txt" in runs
    assert '["imgpipe"]' == next(rest for word, rest in words if word == "ENTRYPOINT")
    assert "SIGTERM" == next(rest for word, rest in words if word == "STOPSIGNAL")


def test_what_the_image_copies_is_there():
    """Only what is needed goes in: no secret, no environment of this machine."""
    copied = [rest.split()[:-1] for word, rest in instructions() if word == "COPY" and "--from" not in rest]

    assert {"requirements/run.txt", "pyproject.toml", "README.md", "LICENSE", "src", "cli"} == {
        name for names in copied for name in names
    }
    assert all((ROOT / name).exists() for names in copied for name in names)
