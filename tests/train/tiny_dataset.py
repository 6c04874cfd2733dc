"""A dataset so small and so plain that a tiny model learns it in seconds.

Every photo is a red, green, blue or yellow circle or square on a black, grey or white ground, and
its five captions say so. Splits are cut so that each colour, shape and ground is in every one.
"""

from itertools import product
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from captioner.vision import models

COLOURS = ("red", "green", "blue", "yellow")
SHAPES = ("circle", "square")
GROUNDS = ("black", "grey", "white")
CAPTIONS = (
    "A {colour} {shape} on a {ground} ground .",
    "There is a {colour} {shape} on a {ground} ground .",
    "A {shape} that is {colour} on {ground} .",
    "The {shape} is {colour} and the ground is {ground} .",
    "One {colour} {shape} in front of a {ground} wall .",
)


def write_dataset(folder: Path) -> Path:
    """Write 24 photos and their captions in Flickr8k's layout: 12 train, 4 val, 8 test."""
    photos, texts = folder / "Flicker8k_Dataset", folder / "Flickr8k_text"
    photos.mkdir(parents=True)
    texts.mkdir()
    lines: list[str] = []
    lists: dict[str, list[str]] = {"train": [], "dev": [], "test": []}
    parts = ("train", "test", "train", "dev", "train", "test")
    for index, (colour, shape, ground) in enumerate(product(COLOURS, SHAPES, GROUNDS)):
        name = f"{colour}-{shape}-{ground}.jpg"
        draw_photo(colour, shape, ground).save(photos / name, quality=95)
        words = {"colour": colour, "shape": shape, "ground": ground}
        lines += [f"{name}#{n}\t{text.format(**words)}" for n, text in enumerate(CAPTIONS)]
        lists[parts[(index + index // len(parts)) % len(parts)]].append(name)
    (texts / "Flickr8k.token.txt").write_text("\n".join(lines) + "\n")
    for part, names in lists.items():
        (texts / f"Flickr_8k.{part}Images.txt").write_text("\n".join(names) + "\n")
    return folder


def draw_photo(colour: str, shape: str, ground: str) -> Image.Image:
    photo = Image.new("RGB", (64, 64), ground)
    draw = ImageDraw.Draw(photo)
    (draw.ellipse if shape == "circle" else draw.rectangle)((12, 12, 52, 52), fill=colour)
    return photo


def write_encoder_weights(path: Path, name: str = "resnet18", seed: int = 1) -> Path:
    """Write a ResNet with random weights, classifier included, under torchvision's key names."""
    torch.manual_seed(seed)
    save_file(getattr(models, name)(weights=None).state_dict(), path)
    return path
