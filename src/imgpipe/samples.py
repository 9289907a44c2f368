"""Samples: paints pictures that look and weigh like photographs, the same ones on every machine, from no file at all.

Each is a lake under mountains: a smooth sky (banding), rock and grain (fine texture), ridges and windows (sharp
edges), balloons (strong colours) and a notice board (text). Only whole-number operations of Pillow and a frozen
generator of random numbers touch the pixels, so that they do not depend on the processor.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageOps

from imgpipe.errors import BadOption
from imgpipe.pictures.formats import BY_NAME
from imgpipe.pictures.staging import staged

if TYPE_CHECKING:
    from numpy.random import RandomState

Colour = tuple[int, ...]  # red, green, blue


class Light(NamedTuple):
    """A time of day: the sky's colours from top to horizon, the sun's, those of far and near ground, the clouds'."""

    zenith: Colour
    middle: Colour
    horizon: Colour
    sun: Colour
    far: Colour
    near: Colour
    cloud: Colour


def _light(colours: str) -> Light:
    return Light(*(tuple(bytes.fromhex(colour)) for colour in colours.split()))


_LIGHTS = (
    _light("2c3e74 d68080 ffca8a fff0c8 967a96 1e2230 ffc4b2"),  # dawn
    _light("2662b2 76acde d6e8f0 fffcf0 829eb6 243e28 ffffff"),  # noon
    _light("18163e 6c3a76 f48056 ffd696 6e4e76 121222 e87a6e"),  # dusk
    _light("5c849c aac0c2 ece4ce fffae2 8c9c96 343c26 f6f4ee"),  # haze
    _light("080c22 14244e 3e5680 eef0ff 304264 080c16 46567c"),  # night
)
_RIDGES = 4
_NUMBERS = 2**32 - 1
_BALLOONS: tuple[tuple[Colour, Colour], ...] = (
    ((206, 44, 48), (250, 226, 190)),
    ((28, 96, 170), (248, 196, 56)),
    ((34, 132, 92), (244, 240, 232)),
    ((232, 116, 34), (96, 36, 110)),
)


def make_samples(folder: str, count: int, width: int = 3840, height: int = 2160, quality: int = 90) -> list[str]:
    """Write `count` samples into `folder` and return their paths; those already there are kept as they are.

    They are JPEG of `width` x `height` pixels. Every fourth is upright: stored lying on its side, with an EXIF
    orientation. The third is a smaller PNG with alpha. Raises `BadOption`, and `PictureError` CANNOT_WRITE or
    DISK_FULL.
    """
    if count < 1:
        raise BadOption("count", count, "a whole number above 0")
    if not 1 <= quality <= 100:
        raise BadOption("quality", quality, "a whole number from 1 to 100")
    paths = []
    for number in range(1, count + 1):
        png = number == 3
        path = os.path.join(folder, f"sample-{number:03d}.{'png' if png else 'jpg'}")
        paths.append(path)
        if os.path.lexists(path):
            continue
        if png:
            _write(path, "png", _cut_out(sample(number, max(width // 4, 1), max(height // 4, 1))), compress_level=1)
        elif number % 4 == 0:
            lying = sample(number, height, width).transpose(Image.Transpose.ROTATE_90)
            exif = Image.Exif()
            exif[0x0112] = 6  # the camera was turned: show it turned a quarter clockwise
            _write(path, "jpeg", lying, quality=quality, exif=exif)
        else:
            _write(path, "jpeg", sample(number, width, height), quality=quality)
    return paths


def sample(number: int, width: int = 3840, height: int = 2160) -> Image.Image:
    """Paint sample `number` as an RGB picture of `width` x `height` pixels; the same number gives the same pixels.

    Raises `BadOption` for a size below 1, or a number below 0 or of more than 32 bits.
    """
    if not 0 <= number < _NUMBERS:
        raise BadOption("number", number, f"a whole number from 0 to {_NUMBERS - 1}")
    if width < 1 or height < 1:
        raise BadOption("size", f"{width}x{height}", "a width and a height above 0")
    random = np.random.RandomState(number + 1)
    light = _LIGHTS[number % len(_LIGHTS)]
    shore = height * 3 // 4
    picture = _sky(light, width, height, random)
    rock = _rock(width, max(shore // 2, 1), random)
    for depth in range(_RIDGES):
        _ridge(picture, light, depth, shore, rock, random)
    _town(picture, light, shore, random)
    for _ in range(2 + _below(3, random)):
        _balloon(picture, _BALLOONS[_below(len(_BALLOONS), random)], shore, random)
    _lake(picture, light, shore, random)
    _board(picture, f"sample {number}")
    return _grain(picture, random)


def _write(path: str, name: str, picture: Image.Image, **options: object) -> None:
    format_ = BY_NAME[name]
    with staged(path, replace=False, durable=False) as output:
        with output.write_errors():
            picture.save(output.file, format_.pillow, **options)
        output.publish(format_)


def _cut_out(picture: Image.Image) -> Image.Image:
    """Fade a picture out towards its corners."""
    alpha = Image.radial_gradient("L").point([min(max(215 - value, 0) * 3, 255) for value in range(256)])
    picture.putalpha(alpha.resize(picture.size, Image.Resampling.BICUBIC))
    return picture


def _sky(light: Light, width: int, height: int, random: RandomState) -> Image.Image:
    """Return a picture of the whole size with the sky in its upper half: a gradient, the sun, clouds."""
    rows = _part(height, 2)
    size = (_part(width, 4), _part(rows, 4))
    sky = ImageOps.colorize(Image.linear_gradient("L"), light.zenith, light.horizon, light.middle, midpoint=110)
    sky = sky.resize(size, Image.Resampling.BICUBIC)
    across = max(size)
    glow = ImageOps.invert(Image.radial_gradient("L")).resize((across, across), Image.Resampling.BICUBIC)
    sun = (size[0] * (20 + _below(60, random)) // 100, size[1] * (40 + _below(30, random)) // 100)
    corner = (sun[0] - across // 2, sun[1] - across // 2)
    sky.paste(light.sun, corner, glow.point([max(value - 76, 0) ** 2 // 170 for value in range(256)]))
    sky.paste(light.sun, corner, glow.point([min(max(value - 241, 0) * 60, 255) for value in range(256)]))
    sky.paste(light.cloud, (0, 0), _clouds(size, random))
    picture = Image.new("RGB", (width, height), light.horizon)
    picture.paste(sky.resize((width, rows), Image.Resampling.BICUBIC))
    return picture


def _clouds(size: tuple[int, int], random: RandomState) -> Image.Image:
    """Return how much cloud there is where: noise of many sizes, flat as clouds are, that thins out downwards."""
    field = _noise(size, 2, 1, random)
    for halvings in range(6, 1, -1):
        coarser = _noise(size, _part(size[0], 2**halvings), _part(size[1], 2**halvings), random)
        field = Image.blend(field, coarser, 0.5)
    fade = Image.linear_gradient("L").resize(size).point([value // 6 for value in range(256)])
    return ImageChops.subtract(field, fade).point([min(max((value - 112) * 5, 0), 230) for value in range(256)])


def _rock(width: int, rows: int, random: RandomState) -> Image.Image:
    """Return the greyscale texture that all mountains are cut from: noise of four sizes, leaning like slopes."""
    size = (width, rows)
    rock = _noise(size, _part(width, 1900), _part(width, 1900), random)
    for divisor in (640, 200, 60):
        rock = Image.blend(rock, _noise(size, _part(width, divisor), _part(width, divisor * 2 // 3), random), 0.5)
    return rock


def _ridge(picture: Image.Image, light: Light, depth: int, shore: int, rock: Image.Image, random: RandomState) -> None:
    """Paint the mountains of one depth, 0 the farthest: paler the farther away, with snow on the high ones."""
    width = picture.width
    tops = [shore * percent // 100 for percent in (20, 44, 62, 78, 100)]
    rise = _part(shore * (30, 22, 15, 11)[depth], 100)
    rows = min(tops[depth + 1] - tops[depth] + rise, rock.height)
    crest = _profile(width, 4 + 2 * depth, random) * rise >> 16  # in 1/256 of a pixel
    edge = (np.arange(min(rise, rows), dtype=np.int32)[:, np.newaxis] << 8) - crest.astype(np.int32)[np.newaxis, :]
    mask = Image.new("L", (width, rows), 255)
    mask.paste(Image.fromarray(np.clip(edge, 0, 255).astype(np.uint8)))
    cut = _below(rock.height - rows + 1, random)
    texture = rock.crop((0, cut, width, cut + rows))
    if depth % 2:
        texture = ImageOps.mirror(texture)  # the same rock twice would show
    base = _mixed(light.far, light.near, depth * 80)
    dark, lit = _mixed(base, (0, 0, 0), 90 + 10 * depth), _mixed(base, light.sun, 80 - 10 * depth)
    picture.paste(ImageOps.colorize(texture, dark, lit, blackpoint=40, whitepoint=216), (0, tops[depth]), mask)
    if depth < 2:
        height = Image.linear_gradient("L").resize((width, rows)).point([min(76 + value, 255) for value in range(256)])
        snow = ImageChops.subtract(texture, height).point([min(value * 8, 230) for value in range(256)])
        picture.paste(_mixed(light.cloud, light.far, 40), (0, tops[depth]), ImageChops.multiply(snow, mask))


def _profile(width: int, hills: int, random: RandomState) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return a jagged line of `width` heights from 0 to 65536 * 256: straight pieces, broken finer and finer."""
    line = np.zeros(width, dtype=np.int64)
    places = np.arange(width, dtype=np.int64)
    weight, pieces = 32768 * 256, hills
    while pieces < width and weight > 4096:
        corners = random.randint(0, weight, pieces + 2, dtype=np.int64)
        position = places * pieces * 256 // width
        before, share = position >> 8, position & 255
        line += (corners[before] * (256 - share) + corners[before + 1] * share) >> 8
        weight, pieces = weight // 2, pieces * 2 + 1
    return line


def _town(picture: Image.Image, light: Light, shore: int, random: RandomState) -> None:
    """Put houses and towers along the shore, each with its grid of windows."""
    draw = ImageDraw.Draw(picture)
    unit = max(picture.height // 540, 1)
    evening = sum(light.zenith) < 256
    x = picture.width * (8 + _below(30, random)) // 100
    for _ in range(14):
        wide, high = unit * (14 + _below(22, random)), unit * (16 + _below(64, random))
        wall = _mixed(light.near, light.cloud, 30 + _below(110, random))
        draw.rectangle((x, shore - high, x + wide - 1, shore), wall)
        dark, lit = _mixed(wall, (0, 0, 0), 110), (255, 214, 128)
        for window_y in range(shore - high + 3 * unit, shore - 4 * unit, 6 * unit):
            for window_x in range(x + 2 * unit, x + wide - 3 * unit, 5 * unit):
                colour = lit if evening and _below(5, random) < 3 else dark
                draw.rectangle((window_x, window_y, window_x + 2 * unit, window_y + 3 * unit), colour)
        x += wide + unit * _below(6, random)


def _balloon(picture: Image.Image, colours: tuple[Colour, Colour], shore: int, random: RandomState) -> None:
    """Hang a striped balloon into the sky, painted four times too large so that its edges are smooth."""
    size = picture.height * (7 + _below(12, random)) // 100
    if size < 8:
        return
    across, high = 512, 640
    balloon = Image.new("RGB", (across, high), colours[0])
    shape = Image.new("L", (across, high))
    draw, cut = ImageDraw.Draw(balloon), ImageDraw.Draw(shape)
    for stripe, half in enumerate((256, 224, 176, 118, 52)):
        draw.ellipse((256 - half, 0, 256 + half, 530), colours[stripe % 2])
    cut.ellipse((0, 0, 511, 470), 255)
    cut.polygon(((38, 330), (473, 330), (300, 540), (212, 540)), 255)
    for rope in (216, 240, 272, 296):
        cut.line((rope, 540, 256 + (rope - 256) * 3 // 4, 590), 255, 5)
    cut.rectangle((222, 586, 290, 639), 255)
    draw.rectangle((200, 541, 312, 639), (92, 62, 36))
    shade = ImageOps.invert(Image.radial_gradient("L")).resize((across * 2, high * 2), Image.Resampling.BICUBIC)
    shade = shade.crop((330, 420, 330 + across, 420 + high)).point([min(70 + value, 255) for value in range(256)])
    balloon = ImageChops.multiply(balloon, Image.merge("RGB", (shade,) * 3))
    final = (size * 4 // 5, size)
    place = (_below(max(picture.width - final[0], 1), random), _below(max(shore // 2, 1), random))
    picture.paste(balloon.resize(final, Image.Resampling.BICUBIC), place, shape.resize(final, Image.Resampling.BICUBIC))


def _lake(picture: Image.Image, light: Light, shore: int, random: RandomState) -> None:
    """Mirror what stands above the shore in water that ripples."""
    width, rows = picture.width, picture.height - shore
    above = picture.crop((0, max(shore - 2 * rows, 0), width, max(shore, 1)))
    mirror = ImageOps.flip(above).resize((width, rows), Image.Resampling.BILINEAR)
    water = Image.blend(mirror, Image.new("RGB", mirror.size, _mixed(light.near, light.zenith, 128)), 0.375)
    ripples = _noise(water.size, max(width // 40, 1), max(rows // 60, 1), random)
    fine = _noise(water.size, max(width // 200, 1), max(rows // 240, 1), random)
    ripples = Image.blend(ripples, fine, 0.375).point([96 + value // 4 for value in range(256)])
    picture.paste(ImageChops.add(water, Image.merge("RGB", (ripples,) * 3), 1, -128), (0, shore))


def _board(picture: Image.Image, title: str) -> None:
    """Put up a notice board: text from large to small."""
    size = f"{picture.width} x {picture.height}"
    lines = (title, "the quick brown fox jumps over the lazy dog", f"0123456789  |||||  ///  ()[]{{}}  {size}")
    font = ImageFont.load_default_imagefont()
    board = Image.new("L", (300, 86), 232)
    draw = ImageDraw.Draw(board)
    draw.rectangle((0, 0, 299, 85), None, 60, 3)
    heading = Image.new("L", (max(int(font.getlength(lines[0])), 1), 11), 232)
    ImageDraw.Draw(heading).text((0, 0), lines[0], 30, font)
    board.paste(heading.resize((heading.width * 3, 33), Image.Resampling.NEAREST), (12, 8))
    for row, line in enumerate(lines[1:]):
        draw.text((12, 48 + 14 * row), line, 40, font)
    final = (_part(picture.height * 2, 5), _part(picture.height * 2 * 86, 5 * 300))
    wood = ImageOps.colorize(board, (52, 36, 24), (244, 226, 190)).resize(final, Image.Resampling.BICUBIC)
    picture.paste(wood, (picture.width // 24, picture.height - final[1] * 5 // 4))


def _grain(picture: Image.Image, random: RandomState) -> Image.Image:
    """Add the noise of a sensor: no part of a photograph is perfectly smooth."""
    width, height = picture.size
    raw = random.bytes(width * height // 4 + 1) * 4  # making random bytes takes long, and no eye sees them repeat
    noise = Image.frombytes("L", picture.size, raw[: width * height])
    noise = noise.point([128 + (value % 13 + value // 13 % 13 - 12) // 2 for value in range(256)])
    return ImageChops.add(picture, Image.merge("RGB", (noise,) * 3), 1, -128)


def _noise(size: tuple[int, int], cell_width: int, cell_height: int, random: RandomState) -> Image.Image:
    """Return smooth greyscale noise whose bumps are about as large as a cell."""
    cells = (max(size[0] // cell_width, 1) + 1, max(size[1] // cell_height, 1) + 1)
    return Image.frombytes("L", cells, random.bytes(cells[0] * cells[1])).resize(size, Image.Resampling.BICUBIC)


def _below(limit: int, random: RandomState) -> int:
    """Return a number from 0 to `limit` - 1; the size of a whole number is given, for it differs between systems."""
    return int(random.randint(limit, dtype=np.int64))


def _mixed(one: Colour, other: Colour, share: int) -> Colour:
    """Return the colour that lies `share` / 256 of the way from one to the other."""
    return tuple((a * (256 - share) + b * share) // 256 for a, b in zip(one, other, strict=True))


def _part(length: int, divisor: int) -> int:
    return max(length // divisor, 1)
