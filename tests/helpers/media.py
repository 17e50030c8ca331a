"""Real media files, small and the same on every run.

An H.264 MP4 with a moving pattern, an AAC M4A with a tone, a PNG and a JPEG: encoded by PyAV and Pillow, so that a player, VOD
or a probe would accept them. `pattern_bytes` makes bytes of any length for tests where the content does not matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Media", "make_all", "make_jpeg", "make_m4a", "make_mp4", "make_png", "pattern_bytes"]


@dataclass(frozen=True, slots=True)
class Media:
    """Paths of one small file of each kind."""

    mp4: Path
    m4a: Path
    png: Path
    jpeg: Path

    def __iter__(self) -> Iterator[Path]:
        return iter((self.mp4, self.m4a, self.png, self.jpeg))


def pattern_bytes(seed: int | str, length: int, start: int = 0) -> bytes:
    """Bytes that look random and are the same for the same seed, so that a mix-up of parts shows.

    Args:
        seed: Tells files apart.
        length: Number of bytes, 0 or more.
        start: Offset of the first byte, so that a slice can be made without the whole.
    """
    block = 1 << 16
    first, skip = divmod(start, block)
    pieces = []
    have = -skip
    while have < length:
        pieces.append(hashlib.shake_128(f"{seed}:{first}".encode()).digest(block))
        first += 1
        have += block
    return b"".join(pieces)[skip : skip + length]


def _frame(index: int, width: int, height: int):
    """One picture: a gradient that moves, and a square that crosses it."""
    import numpy as np

    y, x = np.mgrid[0:height, 0:width]
    picture = np.empty((height, width, 3), np.uint8)
    picture[..., 0] = (x * 255 // width + 5 * index) % 256
    picture[..., 1] = (y * 255 // height + 3 * index) % 256
    picture[..., 2] = ((x + y) // 2 + 2 * index) % 256
    side = height // 5
    left = (index * 7) % (width - side)
    picture[height // 2 - side // 2 : height // 2 + side // 2, left : left + side] = (
        240,
        240,
        240,
    )
    return picture


def make_mp4(path: Path, *, seconds: float = 2.0, size: tuple[int, int] = (320, 180), rate: int = 24) -> Path:
    """An H.264 MP4 (yuv420p, no audio) with a moving pattern."""
    import av

    with av.open(str(path), "w", options={"fflags": "+bitexact", "movflags": "+faststart"}) as file:
        # One thread: the bitstream of x264 depends on the number of threads.
        stream = file.add_stream("libx264", rate=rate, options={"threads": "1", "crf": "30", "preset": "veryfast"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for index in range(int(seconds * rate)):
            frame = av.VideoFrame.from_ndarray(_frame(index, *size), format="rgb24")
            for packet in stream.encode(frame):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)
    return path


def make_m4a(path: Path, *, seconds: float = 2.0, hertz: float = 440.0) -> Path:
    """An AAC M4A with one tone."""
    import av
    import numpy as np

    sample_rate, block = 44_100, 1024
    with av.open(str(path), "w", format="ipod", options={"fflags": "+bitexact"}) as file:
        stream = file.add_stream("aac", rate=sample_rate, layout="mono")
        stream.bit_rate = 64_000
        for start in range(0, int(seconds * sample_rate), block):
            t = (start + np.arange(block)) / sample_rate
            tone = (0.4 * np.sin(2 * np.pi * hertz * t)).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(tone[None, :], format="fltp", layout="mono")
            frame.sample_rate = sample_rate
            frame.pts = start
            for packet in stream.encode(frame):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)
    return path


def make_png(path: Path, *, size: tuple[int, int] = (320, 180)) -> Path:
    """A PNG."""
    from PIL import Image

    Image.fromarray(_frame(0, *size)).save(path, "PNG")
    return path


def make_jpeg(path: Path, *, size: tuple[int, int] = (320, 180)) -> Path:
    """A JPEG, the frame after one second."""
    from PIL import Image

    Image.fromarray(_frame(24, *size)).save(path, "JPEG", quality=85)
    return path


def make_all(folder: Path, names: Callable[[str], str] = str) -> Media:
    """Make one file of each kind in a folder that exists.

    Args:
        folder: Where they go.
        names: Turns "clip.mp4", "tone.m4a", "cover.png", "photo.jpg" into other names.
    """
    return Media(
        mp4=make_mp4(folder / names("clip.mp4")),
        m4a=make_m4a(folder / names("tone.m4a")),
        png=make_png(folder / names("cover.png")),
        jpeg=make_jpeg(folder / names("photo.jpg")),
    )
