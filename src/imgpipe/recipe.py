"""Recipe: everything that decides the bytes of an output file: the pipeline, how to read and how to write."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from imgpipe.errors import BadPipeline, Problem
from imgpipe.pictures.options import Limits, ReadOptions, WriteOptions, changed, options_from
from imgpipe.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping

FINGERPRINT_VERSION = 1
"""Raised when imgpipe itself begins to give other bytes for the same recipe."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is done to each picture. The same for a whole run; it travels once, not with every task.

    `limits` protect the machine and do not change the output, so they are not part of the fingerprint.
    """

    pipeline: Pipeline = Pipeline()
    read: ReadOptions = field(default_factory=ReadOptions)
    write: WriteOptions = field(default_factory=WriteOptions)
    limits: Limits = field(default_factory=Limits)

    @property
    def fingerprint(self) -> str:
        """A hash that changes when the output would."""
        data = [FINGERPRINT_VERSION, self.pipeline.fingerprint, asdict(self.read), asdict(self.write)]
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Recipe:
        """Read the JSON and TOML form: the keys of a pipeline, and tables `read`, `write` and `limits`."""
        tables = {key: data[key] for key in ("read", "write", "limits") if key in data}
        for key, table in tables.items():
            if not hasattr(table, "keys"):
                raise BadPipeline([Problem(key, f"expected a table, got {table!r}")])
        rest = {key: value for key, value in data.items() if key not in tables}
        return cls(
            Pipeline.from_data(rest),
            options_from(ReadOptions, tables.get("read", {}), "read"),
            options_from(WriteOptions, tables.get("write", {}), "write"),
            options_from(Limits, tables.get("limits", {}), "limits"),
        )

    @classmethod
    def from_toml(cls, text: str) -> Recipe:
        """Read a TOML file's text."""
        try:
            return cls.from_data(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise BadPipeline([Problem("recipe", f"not TOML: {error}")]) from error

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read a JSON file's text."""
        try:
            return cls.from_data(json.loads(text))
        except (json.JSONDecodeError, RecursionError) as error:
            raise BadPipeline([Problem("recipe", f"not JSON: {error}")]) from error

    def to_data(self) -> dict[str, Any]:
        """Return the JSON form; options at their defaults are left out."""
        tables = {"read": changed(self.read), "write": changed(self.write), "limits": changed(self.limits)}
        return {**self.pipeline.to_data(), **{name: table for name, table in tables.items() if table}}

    def to_toml(self) -> str:
        """Return the TOML form."""
        blocks = []
        for name, table in self.to_data().items():
            if name != "filters":
                lines = [f"{key} = {json.dumps(value)}" for key, value in table.items() if value is not None]
                blocks.append("\n".join([f"[{name}]", *lines]) + "\n")
        # A table ends where the next begins, so `filters = []` of an empty pipeline must come first.
        return "\n".join([self.pipeline.to_toml(), *blocks])
