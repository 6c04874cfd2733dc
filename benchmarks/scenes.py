"""Count the scenes that are found in clips made of photos, and those that are described twice.

    python benchmarks/scenes.py data/flickr8k --clips 10

Each clip shows three to five photos of Flickr8k's test set, which no shipped model was trained on:
still, panned, zoomed or shaken, some with noise, with cuts or cross-fades between them. In every
other clip the first photo comes again at the end. A scene is found if the story tells one of its
frames. How far its start is from the cut, or from the middle of the fade, is its error.
"""

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the tests' videos are used

from captioner.captioner import Captioner  # noqa: E402
from captioner.shipped import DEFAULT_CHECKPOINT, find  # noqa: E402
from captioner.video.result import Scene  # noqa: E402
from tests.captioner.video.making import RATE, cross_faded, encoded, scene  # noqa: E402

MOVES = ("still", "pan", "zoom", "shake")
FADE = RATE  # frames: a second


class Clip(NamedTuple):
    """A video, and what it shows."""

    file: bytes
    names: list[str]  # of its photos
    starts: list[float]  # seconds; within a fade, its middle
    faded: bool


async def main() -> None:
    args = _arguments()
    chance = random.Random(args.seed)
    photos = _test_photos(args.flickr8k)
    shown = found = twice = wrong = 0
    errors: dict[bool, list[float]] = {False: [], True: []}  # of starts, by whether there are fades
    async with Captioner.load(args.checkpoint, "cpu") as captioner:
        for number in range(args.clips):
            clip = _clip(photos, chance, args.scene, again=number % 2 == 1)
            story = await captioner.caption_video(clip.file)
            told = Counter(clip.names[_at(clip, scene.frame)] for scene in story.told)
            different = set(clip.names)
            shown += len(different)
            found += len(different & told.keys())
            twice += sum(count - 1 for count in told.values())
            wrong += len(different) != len(told)
            errors[clip.faded] += _errors(clip, story.scenes)
            print(f"{len(different)} scenes, {len(told)} told: {story.text}")
    print(
        f"\n{found} of {shown} scenes found, {twice} told twice; "
        f"{args.clips - wrong} of {args.clips} clips without a mistake"
    )
    for faded, each in errors.items():
        if each:
            what = "fades" if faded else "cuts"
            print(f"Error of {len(each)} {what}: {mean(each):.2f} s, at most {max(each):.2f} s")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("flickr8k", type=Path, help="folder with the photos and the list of tests")
    parser.add_argument("--checkpoint", type=find, default=DEFAULT_CHECKPOINT)
    parser.add_argument(
        "--scene", nargs=2, type=float, default=(2, 4), metavar="N", help="seconds of a scene"
    )
    parser.add_argument("--clips", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _test_photos(folder: Path) -> list[Path]:
    lists = sorted(folder.rglob("Flickr_8k.testImages.txt"))
    if not lists:
        raise SystemExit(f"{folder} holds no Flickr_8k.testImages.txt")
    places = {path.name: path for path in folder.rglob("*.jpg")}
    names = lists[0].read_text().split()
    return [places[name] for name in names if name in places]


def _clip(
    photos: list[Path], chance: random.Random, lengths: tuple[float, float], *, again: bool
) -> Clip:
    chosen = chance.sample(photos, chance.randint(3, 5))
    if again:
        chosen.append(chosen[0])
    fade = chance.choice((0, FADE))
    scenes, starts, at = [], [], 0.0
    for path in chosen:
        seconds = chance.uniform(*lengths) + fade / RATE
        photo = Image.open(path).convert("RGB")
        move, noise = chance.choice(MOVES), chance.choice((0, 0, 8))
        scenes.append(scene(photo, seconds, move=move, noise=noise, seed=chance.randrange(100)))
        starts.append(at + fade / RATE / 2 if at else 0.0)
        at += (len(scenes[-1]) - fade) / RATE
    file = encoded(cross_faded(scenes, fade))
    return Clip(file, [path.name for path in chosen], starts, fade > 0)


def _errors(clip: Clip, scenes: Sequence[Scene]) -> list[float]:
    found = [(scene.start, _at(clip, scene.frame)) for scene in scenes]
    return [
        abs(start - clip.starts[number])
        for (_, before), (start, number) in pairwise(found)
        if number == before + 1
    ]


def _at(clip: Clip, seconds: float) -> int:
    """Return which photo is shown, to half a frame."""
    return max(i for i, start in enumerate(clip.starts) if start <= seconds + 0.5 / RATE)


if __name__ == "__main__":
    asyncio.run(main())
