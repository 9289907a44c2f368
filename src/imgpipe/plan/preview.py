"""Preview: says what a run would do with a picture, from its header alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from imgpipe.errors import PictureError
from imgpipe.memory import memory_bytes
from imgpipe.pictures.encode import target_format
from imgpipe.pictures.header import open_header
from imgpipe.work import check, copies_bytes

if TYPE_CHECKING:
    from imgpipe.plan.decision import Decision
    from imgpipe.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPicture:
    """What a run would do with one picture.

    `copy` means that the recipe leaves it as it is, so that its bytes are copied; `refuse` that it would fail. `width`
    and `height` (pixels) are those of the result, `megapixels` those that would be decoded, `memory_bytes` the most
    that it would need at once. They are 0 where nothing would be done.
    """

    source: str
    target: str
    action: Literal["process", "copy", "skip", "refuse"]
    reason: str
    format: str = ""
    width: int = 0
    height: int = 0
    megapixels: float = 0.0
    memory_bytes: int = 0


def look_ahead(source: str, target: str, decision: Decision, recipe: Recipe) -> PlannedPicture:
    """Return what would become of a picture about which `decision` has been made."""
    if decision.action != "process":
        action: Literal["skip", "refuse"] = "refuse" if decision.action == "refuse" else "skip"
        return PlannedPicture(source=source, target=target, action=action, reason=decision.reason)
    try:
        with open_header(source, recipe.limits) as header:
            info = header.info
        check(info, recipe)
        after = recipe.pipeline.stages(info)[-1]
        return PlannedPicture(
            source=source,
            target=target,
            action="copy" if copies_bytes(info, recipe) else "process",
            reason=decision.reason,
            format=target_format(info, recipe.write).name,
            width=after.width,
            height=after.height,
            megapixels=info.megapixels,
            memory_bytes=memory_bytes(info, recipe),
        )
    except PictureError as error:
        reason = f"{error.code}: {error.message}"
        return PlannedPicture(source=source, target=target, action="refuse", reason=reason)
