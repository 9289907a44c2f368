"""The tests of the queue bite: each guard of the scripts, taken out alone, makes one of them fail."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

MUTATIONS = {
    "no epoch": ("finish", "if of ~= epoch then", "if not of then"),
    "done twice": ("finish", "if is_settled(name, index) then\n    count(", "if false then\n    count("),
    "late twice": ("finish", "and not is_settled(name, index) then", "then"),
    "impure and late": ("finish", "and j.pure and", "and"),
    "settled copies handed out": ("_claim", "if is_settled(name, index) then", "if false then"),
    "innocents charged": ("reap", "= losses + begun,", "= losses + 1,"),
    "nobody charged": ("reap", "= losses + begun,", "= losses,"),
    "no cap on deliveries": ("reap", "deliveries >= j.max_deliveries or", ""),
    "no amnesty": ("_lib", "call('HSET', P .. 'ctl', 'after', NOW + lease)", ""),
    "submitted twice": ("submit", "if call('GETBIT', bits, index) == 0 then", "if true then"),
    "unfit jobs come again": ("_claim", "return refused > 0 and is_unfit(worker, name, j)", "return false"),
    "unfit jobs hide others": ("_claim", "LOOKED_AT + refused - 1", "LOOKED_AT - 1"),
    "unfit jobs ring": ("_lib", " and not is_unfit(idle[i], name, j)", ""),
    "no window": ("submit", "if #records > room then", "if false then"),
    "any labels": ("_lib", "if not string.find(labels, ',' .. label .. ',', 1, true) then return false end", ""),
    "lease not renewed": ("_lib", "call('ZADD', P .. 'w', NOW + v[1], worker)", ""),
    "cancelled tasks come back": ("_lib", "elseif is_open(j.state) then\n    call('LPUSH'", "else\n    call('LPUSH'"),
    "full server stops work": ("_lib", "call('DEL', P .. 'scratch')", ""),
    "begun not marked": ("_lib", "call('HSET', key, id, of .. '|1|' .. record)", ""),
    "forgotten twice": ("forget", "call('HINCRBY', P .. 'j:' .. name, 'first', gone)", ""),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_guard_that_is_missing_is_noticed(redis_binary, tmp_path, name):
    """A copy of the package with one guard less fails the tests of the queue."""
    script, old, new = MUTATIONS[name]
    source = resources.files("imgpipe.queue") / "scripts"
    text = (source / f"{script}.lua").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "scripts").mkdir()
    for file in source.iterdir():
        (tmp_path / "scripts" / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "scripts" / f"{script}.lua").write_text(text.replace(old, new), encoding="utf-8")
    here = Path(__file__).parent
    command = [
        sys.executable, "-m", "pytest", "-x", "-q", "-p", "other_scripts", "-p", "no:cacheprovider",
        str(here / "test_contract.py"), str(here / "test_redis.py"), "-k", "Redis or full_server",
    ]  # fmt: skip
    environment = os.environ | {"OTHER_SCRIPTS": str(tmp_path), "PYTHONPATH": str(here.parent)}

    root = here.parent.parent
    ended = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)

    assert 1 == ended.returncode, ended.stdout
