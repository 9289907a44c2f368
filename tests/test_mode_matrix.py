"""Every stored layout through every filter into every format: the documented result, or a documented code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageCms

from filter_samples import samples
from imgpipe.pictures.header import open_header
from imgpipe.pictures.options import FORMATS, Limits, WriteOptions
from imgpipe.pipeline import Pipeline
from imgpipe.recipe import Recipe
from imgpipe.task import Task
from imgpipe.work import run_task
from running_tasks import code_of, left_behind, picture

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (16, 12)
REFUSED = {"I;16": "SIXTEEN_BIT", "I": "MODE_UNSUPPORTED", "F": "MODE_UNSUPPORTED"}


def write(folder: Path, mode: str) -> str:
    """Write a picture in a stored mode, in a format that has it."""
    if mode == "P+tRNS":
        image, path = picture("P", SIZE), folder / "a.png"
        image.save(path, transparency=bytes(range(255, -1, -1)))
    elif mode == "RGB+tRNS":
        image, path = picture("RGB", SIZE), folder / "a.png"
        image.save(path, transparency=image.getpixel((3, 3)))
    elif mode == "L+tRNS":
        image, path = picture("L", SIZE), folder / "a.png"
        image.save(path, transparency=image.getpixel((3, 3)))
    elif mode == "RGBa":
        path = folder / "a.tif"
        picture("RGBA", SIZE).save(path, tiffinfo={338: 1})
    elif mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(picture("RGB", SIZE), srgb, lab, outputMode="LAB")
        path = folder / "a.tif"
        assert converted is not None
        converted.save(path)
    else:
        path = folder / "a.tif"
        image = picture("RGBA" if mode == "PA" else "L" if mode[0] in "IF" else mode, SIZE)
        if mode == "I;16":
            image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
        image.convert(mode).save(path)
    return str(path)


@pytest.mark.parametrize(
    "mode",
    [
        "1", "L", "L+tRNS", "LA", "P", "P+tRNS", "PA", "RGB", "RGB+tRNS", "RGBA", "RGBa", "CMYK", "YCbCr", "LAB",
        "I;16", "I", "F",
    ],
)  # fmt: skip
def test_matrix(tmp_path, mode):
    """The size is the planned one and the code, if there is one, that of the layout; nothing is left behind."""
    source, target = write(tmp_path, mode), str(tmp_path / "out" / "a")
    with open_header(source, Limits()) as header:
        info = header.info
    seen: set[str] = set()
    for number, step in enumerate(samples()):
        pipeline = Pipeline([step])
        planned = pipeline.stages(info)[-1]
        # One instance of each filter goes into every format, the others into one after the other.
        formats = FORMATS if step.spec.name not in seen else (FORMATS[number % len(FORMATS)],)
        seen.add(step.spec.name)
        for format_name in formats:
            result = run_task(Task("1", source, target, Recipe(pipeline, write=WriteOptions(format=format_name))))

            where = (str(step), format_name)
            if mode in REFUSED and not (format_name == "tiff" and step.is_identity(info)):
                assert REFUSED[mode] == code_of(result), where
                continue
            assert result.failure is None, (*where, result.failure)
            if "copied" in result.notes:
                assert info.format == format_name, where
            else:
                assert (planned.width, planned.height) == (result.width, result.height), where
            with Image.open(target) as image:
                image.load()
                assert (result.width, result.height) == image.size, where
    assert [] == left_behind(tmp_path)
