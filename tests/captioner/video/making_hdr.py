"""Videos of a high dynamic range, of one colour: ten bits, BT.2020, HLG as phones record, or PQ."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np

from tests.captioner.video.making import QUICK, RATE, SIZE, usual_priority

TRANSFERS = {"PQ": 16, "HLG": 18}  # in H.273
BT2020 = 9  # likewise, of primaries and of a matrix
# From the red, green and blue of BT.709 to those of BT.2020 (BT.2087).
WIDER = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
SHARES = np.array([0.2627, 0.6780, 0.0593])  # of red, green and blue in brightness


def high(
    colour: tuple[int, int, int],
    transfer: str,
    codec: str = "libx265",
    *,
    size: tuple[int, int] = SIZE,
    light: float = 1.0,
) -> bytes:
    """Return a video of a second.

    Args:
        colour: in sRGB, where white is white paper, of 203 cd/m2.
        transfer: "PQ" or "HLG".
        codec: FFmpeg's name of the encoder.
        size: of its frames.
        light: that many times brighter.
    """
    shown = np.array(colour) / 255
    linear = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
    screen = 203 * light * WIDER @ linear  # cd/m2
    red, _, blue = signal = _pq(screen) if transfer == "PQ" else _hlg(screen)
    luma = float(SHARES @ signal)
    levels = (
        64 + 876 * luma,
        512 + 896 * (blue - luma) / 1.8814,
        512 + 896 * (red - luma) / 1.4746,
    )
    with usual_priority(), TemporaryDirectory() as folder:
        path = str(Path(folder) / "video.mp4")
        with av.open(path, "w") as output:
            stream: Any = output.add_stream(codec, rate=RATE, options=QUICK[codec])
            stream.width, stream.height = size
            stream.pix_fmt, stream.thread_count, context = "yuv420p10le", 1, stream.codec_context
            context.color_trc, context.color_range = TRANSFERS[transfer], 1
            context.color_primaries = context.colorspace = BT2020
            for index in range(RATE):
                frame = av.VideoFrame(*size, "yuv420p10le")
                for plane, level in zip(frame.planes, levels, strict=True):
                    plane.update(np.full(plane.buffer_size // 2, round(level), "<u2").tobytes())
                frame.pts = index
                output.mux(stream.encode(frame))
            output.mux(stream.encode())
        return Path(path).read_bytes()


def _pq(screen: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    power = (screen / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def _hlg(screen: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    brightness = max(1e-9, float(SHARES @ screen) / 1000)
    scene = screen / 1000 * brightness ** (1 / 1.2 - 1)
    logarithm = 0.17883277 * np.log(np.maximum(1e-9, 12 * scene - 0.28466892)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), logarithm)
