"""Observations of any layout in that of vgbench: images uint8 [T, channels, height, width], vectors float32 [T, n]."""

from dataclasses import dataclass

import numpy as np

from vgbench.errors import UsageError

LAYOUTS = {"hwc": 3, "chw": 3, "hw": 2, "khwc": 4, "kchw": 4, "vector": 0}
"""Layouts of one observation, with their dimensions: height, width, channels, k frames that are seen together."""
CHANNELS = (1, 3, 4)
SIDE = 8
"""Least side of an image that is taken for one."""


@dataclass(frozen=True)
class ObservationLayout:
    """What a field of observations is, and how it becomes one of the data set.

    Attributes:
        how: of `LAYOUTS`.
        low: value of black, and `high` of white; None: bytes as they are.
        shape: of one observation in the data set.
    """

    field: str
    how: str
    shape: tuple[int, ...]
    low: float | None = None
    high: float | None = None

    @property
    def kind(self) -> str:
        """`image` or `vector`."""
        return "vector" if self.how == "vector" else "image"

    def convert(self, array: np.ndarray) -> np.ndarray:
        """Return [T, ...] in the layout of the data set."""
        if self.how == "vector":
            return array.reshape(len(array), -1).astype(np.float32)
        if self.low is not None and self.high is not None:
            scaled = (array.astype(np.float32) - self.low) * (255 / (self.high - self.low))
            array = np.clip(np.rint(scaled), 0, 255)
        array = array.astype(np.uint8)
        if self.how in ("hwc", "khwc"):
            array = np.moveaxis(array, -1, -3)
        return np.ascontiguousarray(array.reshape(len(array), *self.shape))

    def words(self) -> str:
        """Describe it."""
        sizes = " x ".join(map(str, self.shape))
        if self.how == "vector":
            return f"vector of {sizes}, float32"
        units = "bytes" if self.low is None else f"{self.low:g} to {self.high:g} as bytes"
        return f"image {sizes} (channels, height, width; {self.how.upper()} {units})"


def understood(
    field: str,
    shape: tuple[int, ...],
    dtype: np.dtype,
    bounds: tuple[float, float],
    asked: str | None,
    span: tuple[float, float] | None,
    who: str,
) -> ObservationLayout:
    """Tell what observations of one `shape` are, whose numbers lie within `bounds`.

    Raises:
        UsageError: it may be one or another; the message names the option that says which.
    """
    how = asked or _guess(field, shape, dtype, bounds, who)
    if how == "vector":
        return ObservationLayout(field, how, (int(np.prod(shape, dtype=np.int64)),))
    if LAYOUTS[how] != len(shape):
        raise UsageError(f"--images {how}: {field!r} has observations of shape {shape} in {who}")
    last = {"hwc": (2, 0, 1), "chw": (0, 1, 2), "khwc": (3, 1, 2), "kchw": (1, 2, 3)}
    if how == "hw":
        final = (1, *shape)
    else:
        channels, height, width = (shape[axis] for axis in last[how])
        final = (channels * (shape[0] if len(shape) == 4 else 1), height, width)
    return ObservationLayout(field, how, final, *_span(field, dtype, bounds, span, who))


def _guess(field: str, shape: tuple[int, ...], dtype: np.dtype, bounds: tuple[float, float], who: str) -> str:
    as_bytes = dtype == np.uint8 or dtype == np.bool_
    if len(shape) < 2 or (not as_bytes and sum(side >= SIDE for side in shape) < 2):
        return "vector"
    if len(shape) == 2:
        if as_bytes or (bounds[0] >= 0 and bounds[1] <= 1):
            return "hw"
        raise _ambiguous(field, shape, "a grey image or a matrix of numbers", ("hw", "vector"), who)
    ends = (shape[-1], shape[-3])
    if len(shape) == 3:
        fits = [
            how
            for how, channels, sides in (("hwc", ends[0], shape[:2]), ("chw", ends[1], shape[1:]))
            if _is(channels, sides)
        ]
        # RGB or RGBA before a stack of frames that happens to stand at the other end.
        sure = [how for how, channels in zip(("hwc", "chw"), ends, strict=True) if channels in CHANNELS]
    elif len(shape) == 4:
        fits = [
            how
            for how, channels, sides in (("khwc", ends[0], shape[1:3]), ("kchw", ends[1], shape[2:]))
            if _is(channels, sides)
        ]
        sure = [how for how, channels in zip(("khwc", "kchw"), ends, strict=True) if channels in CHANNELS]
    else:
        raise UsageError(f"{who}: observations of {field!r} have shape {shape}; expected at most 4 dimensions")
    if len(sure) == 1 and sure[0] in fits:
        return sure[0]
    if len(fits) == 1:
        return fits[0]
    choices = ("hwc", "chw") if len(shape) == 3 else ("khwc", "kchw")
    raise _ambiguous(field, shape, "channels first or channels last", (*choices, "vector"), who)


def _is(channels: int, sides: tuple[int, ...]) -> bool:
    """Whether numbers of channels and sides are those of an image: far fewer channels than pixels along a side."""
    return min(sides) >= SIDE and channels * 2 <= min(sides)


def _ambiguous(field: str, shape: tuple[int, ...], what: str, choices: tuple[str, ...], who: str) -> UsageError:
    return UsageError(
        f"{who}: observations of {field!r} have shape {shape}, which may be {what}; say which with --images "
        f"{'|'.join(choices)}"
    )


def _span(
    field: str, dtype: np.dtype, bounds: tuple[float, float], asked: tuple[float, float] | None, who: str
) -> tuple[float | None, float | None]:
    """Values of black and white."""
    if asked:
        return asked
    if dtype == np.uint8:
        return None, None
    if bounds[0] >= 0 and bounds[1] <= 1:
        return 0.0, 1.0
    if dtype.kind in "iu" and bounds[0] >= 0 and bounds[1] <= 255:
        return None, None
    raise UsageError(
        f"{who}: the images of {field!r} are {dtype} from {bounds[0]:g} to {bounds[1]:g}; expected bytes, or numbers "
        "from 0 to 1; say what is black and what is white with --image-range LOW:HIGH"
    )
