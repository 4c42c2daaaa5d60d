"""Frames of an animation: their caption, and their bytes as WebP, GIF or MP4."""

import io
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

from vgbench.extras import needed

FORMATS = ("gif", "mp4", "webp")
TRACE, PLAN, IMAGINED, GOAL = "#ffffff", "#E69F00", "#56B4E9", "#F0E442"
"""Colours of the way so far, of where a plan leads, of where the model expects it to lead, and of the goal."""
BAR, LAST = 56, 1500
"""Height of the caption, px, and how long the last frame stays, ms."""
_WORDS = ((GOAL, "goal, radius"), (TRACE, "way"), (PLAN, "plan, really"), (IMAGINED, "plan, by the model"))


@dataclass(frozen=True)
class Film:
    """Frames of one size, each shown for `duration` ms, the last one for `LAST`."""

    frames: list[Image.Image]
    duration: int


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def captioned(picture: Image.Image, text: str, way: bool, expected: bool) -> Image.Image:
    """Return a picture with a bar below it: a line of text, and what the colours mean that are drawn in it."""
    made = Image.new("RGB", (picture.width, picture.height + BAR), "#1c1d20")
    made.paste(picture)
    pen = ImageDraw.Draw(made)
    pen.text((10, picture.height + 6), text, fill="white", font=_font(17))
    x = 10.0
    for colour, words in _WORDS[: 3 + expected] if way else ():
        pen.ellipse((x, picture.height + 36, x + 10, picture.height + 46), fill=colour)
        pen.text((x + 15, picture.height + 33), words, fill="#d6d8dd", font=_font(13))
        x += 33 + pen.textlength(words, font=_font(13))
    return made


def encode(film: Film, form: str) -> bytes:
    """Return a film as "webp", "gif" or "mp4".

    Raises:
        UsageError: the package for MP4 is not installed.
    """
    if form == "mp4":
        return _mp4(film)
    stream = io.BytesIO()
    options: dict[str, Any] = {"save_all": True, "append_images": film.frames[1:], "loop": 0}
    options["duration"] = [*([film.duration] * (len(film.frames) - 1)), LAST]
    if form == "webp":
        film.frames[0].save(stream, format="WEBP", quality=60, method=3, **options)
    else:
        film.frames[0].save(stream, format="GIF", **options)
    return stream.getvalue()


def require_mp4() -> Any:
    """Return the package that writes MP4."""
    return needed("av", "PyAV", "--format mp4", "video", ", or give --format gif")


def _mp4(film: Film) -> bytes:
    stream, rate = io.BytesIO(), Fraction(1000, film.duration)
    with require_mp4().open(stream, "w", format="mp4") as file:
        # What every player takes; libx264 wants even sides, which captioned pictures have.
        track = file.add_stream("libx264", rate=rate, options={"crf": "20"})
        track.width, track.height, track.pix_fmt = *film.frames[0].size, "yuv420p"
        for picture in [*film.frames, *([film.frames[-1]] * (LAST // film.duration))]:
            file.mux(track.encode(require_mp4().VideoFrame.from_image(picture)))
        file.mux(track.encode(None))
    return stream.getvalue()
