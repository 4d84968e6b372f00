"""Frames into a file that plays: H.264 in MP4, or an animated WebP that a web page shows.

Both are written by FFmpeg (PyAV) frame by frame: Pillow, which could write the WebP, wants all
frames in memory, half a gigabyte a minute.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, cast

import av
import numpy as np

from robot_gcrl.errors import RenderingError


class _Format(NamedTuple):
    """A kind of file.

    Attributes:
      container: FFmpeg's name of it.
      codecs: FFmpeg's names, the best first.
      options: of the container.
    """

    container: str
    codecs: tuple[str, ...]
    options: Mapping[str, str]


_FORMATS = {
    # Builds of FFmpeg without x264 still have MPEG-4
    ".mp4": _Format("mp4", ("libx264", "mpeg4"), {}),
    # 0 is for ever; FFmpeg's default is once
    ".webp": _Format("webp", ("libwebp_anim",), {"loop": "0"}),
}
VIDEO_SUFFIXES = tuple(_FORMATS)


def write_video(
    frames: Iterable[np.ndarray], path: Path, *, width: int, height: int, rate: Fraction
) -> Path:
    """Writes frames, uint8 [height, width, 3] of even sides, at `rate` [1/s]; returns the path.

    The suffix of `path` says how, .mp4 or .webp. The film is written beside `path` and moved there
    when it is complete.

    Raises:
      RenderingError: another suffix, or the file cannot be written.
    """
    require_suffix(path, VIDEO_SUFFIXES)
    kind = _FORMATS[path.suffix]
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        options = dict(kind.options)
        with av.open(str(unfinished), "w", format=kind.container, options=options) as container:
            codec = _codec(kind, path)
            stream = cast("av.VideoStream", container.add_stream(codec, rate=rate))
            stream.pix_fmt = "yuv420p"
            stream.width, stream.height = width, height
            for packet in _packets(frames, stream):
                container.mux(packet)
        unfinished.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):  # its folder may be missing
            unfinished.unlink()
    return path


def require_suffix(path: Path, suffixes: tuple[str, ...]) -> None:
    """Refuses a file whose name ends in none of `suffixes`.

    Raises:
      RenderingError: it does.
    """
    if path.suffix not in suffixes:
        raise RenderingError(
            f"Cannot write {str(path)!r}. Expected a file name that ends in "
            f"{' or '.join(suffixes)}. Change the name."
        )


def unwritable(path: Path, error: OSError) -> RenderingError:
    """The error of a picture or film that the operating system refuses to write."""
    return RenderingError(
        f"Cannot write {str(path)!r}: {error.strerror or error}. Expected a folder that can be "
        "written to. Name another one."
    )


def _codec(kind: _Format, path: Path) -> str:
    for codec in kind.codecs:
        if codec in av.codecs_available:
            return codec
    others = " or ".join(suffix for suffix in _FORMATS if suffix != path.suffix)
    raise RenderingError(
        f"Cannot write {str(path)!r}: PyAV has no encoder {' or '.join(kind.codecs)} here. "
        "Expected one. Install PyAV's own wheel (pip install --force-reinstall av), or end the "
        f"name in {others}."
    )


def _packets(frames: Iterable[np.ndarray], stream: av.VideoStream) -> Iterator[av.Packet]:
    for pixels in frames:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        yield from stream.encode(frame)
    yield from stream.encode(None)
