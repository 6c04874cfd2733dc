"""Time captions of photos, stage by stage, in this process and without company.

    python benchmarks/caption.py examples --beam 3

Prints milliseconds a photo at batch 1 (median and 95th percentile), photos a second at batch 8 and
32, and how the time divides among decoding the file, the encoder and the decoder.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch

from captioner import checkpoint
from captioner.captioner import DEFAULT_CHECKPOINT
from captioner.checkpoint import Checkpoint
from captioner.decoding import Options, generate
from captioner.eager import pick_device
from captioner.image import decode

T = TypeVar("T")


class Stages(NamedTuple):
    """Seconds that one batch takes in each stage."""

    file: float
    encoder: float
    decoder: float


def main() -> None:
    args = _arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    trained = checkpoint.load(args.checkpoint)
    trained.model.to(args.device)
    paths = sorted(path for path in args.photos.rglob("*") if path.suffix in (".jpg", ".jpeg"))
    if not paths:
        raise SystemExit(f"{args.photos}: holds no JPEG photos")
    files = [path.read_bytes() for path in paths]
    print(
        f"{trained.model.config.encoder}, {args.device}, {torch.get_num_threads()} threads, "
        f"beam {args.beam}, PyTorch {torch.__version__}, {torch.cpu.get_capabilities()['cpu_name']}"
    )
    for batch in (1, 8, 32):
        repeats = max(3, args.repeats // batch)
        timings = []
        for repeat in range(repeats + 1):
            chosen = [files[(repeat * batch + index) % len(files)] for index in range(batch)]
            timings.append(_caption(trained, chosen, Options(beam=args.beam), args.device))
        _report(batch, timings[1:])  # the first one warms up


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("photos", type=Path, help="folder of JPEG photos")
    parser.add_argument("--checkpoint", type=Path, default=DEFAULT_CHECKPOINT)
    parser.add_argument("--beam", type=int, default=Options.beam)
    parser.add_argument("--device", default=pick_device())
    parser.add_argument("--threads", type=int, help="of PyTorch; its own choice if not given")
    parser.add_argument("--repeats", type=int, default=100, help="photos timed at each batch size")
    return parser.parse_args()


@torch.inference_mode()
def _caption(trained: Checkpoint, files: list[bytes], options: Options, device: str) -> Stages:
    squeeze, normalize = trained.preprocessing.squeeze, trained.preprocessing.normalize
    size = trained.preprocessing.size
    squares, file = _timed(
        lambda: np.stack([squeeze(decode(data, side=size)) for data in files]), device
    )
    photos = torch.from_numpy(squares).permute(0, 3, 1, 2)
    memory, encoder = _timed(lambda: trained.model.encode(normalize(photos.to(device))), device)
    _, decoder = _timed(lambda: generate(trained.model, memory, options), device)
    return Stages(file, encoder, decoder)


def _timed(work: Callable[[], T], device: str) -> tuple[T, float]:
    started = time.perf_counter()
    result = work()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return result, time.perf_counter() - started


def _report(batch: int, timings: list[Stages]) -> None:
    totals = sorted(sum(stages) for stages in timings)
    shares = [statistics.median(stage) for stage in zip(*timings, strict=True)]
    parts = ", ".join(
        f"{name} {share / sum(shares):.0%}"
        for name, share in zip(("file", "encoder", "decoder"), shares, strict=True)
    )
    if batch == 1:
        p95 = totals[min(len(totals) - 1, round(0.95 * len(totals)))]
        speed = f"p50 {statistics.median(totals) * 1e3:.1f} ms, p95 {p95 * 1e3:.1f} ms a photo"
    else:
        speed = f"{batch / statistics.median(totals):.1f} photos/s"
    print(f"batch {batch:2}: {speed}  ({parts}; {len(timings)} runs)")


if __name__ == "__main__":
    main()
