"""Augmentation changes a batch as torchvision's transforms change one photo after another."""

import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from torchvision.transforms import v2 as transforms
from torchvision.transforms.v2.functional import resized_crop

from captioner.vocabulary import Vocabulary
from train.data.augmentation import GREY, Augmentation, cropped, random_crops
from train.data.datasets import Record
from train.data.draws import Draws
from train.data.loader import photo_dataset

SIZE = 48
TIMES = 300


def draws(seed: int = 0) -> Draws:
    return Draws(torch.Generator().manual_seed(seed))


def patches(count: int) -> torch.Tensor:
    """Draw photos of coloured patches, darker on the left."""
    coarse = 255 * torch.rand(count, 3, 5, 5, generator=draws().generator)
    coarse *= torch.linspace(0.3, 1, 5)
    return functional.interpolate(coarse, (SIZE, SIZE), mode="bilinear").byte()


def augmented(photo: torch.Tensor, augmentation: Augmentation, flip: bool = True) -> torch.Tensor:
    return augmentation(photo.repeat(TIMES, 1, 1, 1), torch.full((TIMES,), flip), draws())


def one_by_one(photo: torch.Tensor, augmentation: Augmentation) -> torch.Tensor:
    """Change a photo as often with torchvision's transforms."""
    changes = [
        transforms.RandomResizedCrop(SIZE, (augmentation.crop, 1), (0.8, 1.25), antialias=True),
        transforms.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2),
        transforms.RandomErasing(augmentation.erase, scale=(0.02, 0.2), value=GREY),
        transforms.RandomHorizontalFlip(),
    ]
    torch.manual_seed(0)
    return torch.stack([transforms.Compose(changes)(photo) for _ in range(TIMES)])


def test_photos_keep_their_shape_and_type_and_differ() -> None:
    photo = patches(1)[0]
    found = augmented(photo, Augmentation())

    assert (found.shape, found.dtype) == ((TIMES, 3, SIZE, SIZE), torch.uint8)
    assert all(not torch.equal(one, photo) for one in found)
    assert len(found.flatten(1).unique(dim=0)) == TIMES


def test_augmentation_is_repeated_by_its_seed_and_leaves_the_photos_alone() -> None:
    photos, change = patches(4), Augmentation(erase=0.5)
    before, flips = photos.clone(), torch.ones(4, dtype=torch.bool)
    first = change(photos, flips, draws(1))

    assert torch.equal(change(photos, flips, draws(1)), first)
    assert not torch.equal(change(photos, flips, draws(2)), first)
    assert torch.equal(photos, before)


def test_a_crop_is_torchvisions_to_a_grey_level() -> None:
    photos = patches(60)
    boxes = random_crops(60, SIZE, 0.1, draws())
    found = cropped(photos, boxes, torch.zeros(60, dtype=torch.bool))

    for photo, box, one in zip(photos, boxes.int().tolist(), found, strict=True):
        left, top, width, height = box
        expected = resized_crop(photo, top, left, height, width, [SIZE, SIZE], antialias=True)
        assert (one - expected.float()).abs().max() <= 1


def test_the_whole_photo_is_itself_or_its_mirror_image() -> None:
    photos = patches(2)
    whole = torch.tensor([[0.0, 0.0, SIZE, SIZE]]).repeat(2, 1)
    found = cropped(photos, whole, torch.tensor([False, True])).byte()

    assert torch.equal(found[0], photos[0])
    assert torch.equal(found[1], photos[1].flip(-1))


@pytest.mark.parametrize("smallest", [0.1, 0.67, 0.99])
def test_crops_are_chosen_as_by_torchvision(smallest: float) -> None:
    """Areas, ratios and places have the same distribution: Kolmogorov's distance is small."""
    count = 2000
    left, top, width, height = random_crops(count, SIZE, smallest, draws()).T
    torch.manual_seed(1)
    choose = transforms.RandomResizedCrop(SIZE, (smallest, 1), (0.8, 1.25)).make_params
    photo = [torch.zeros(3, SIZE, SIZE)]
    chosen = [choose(photo) for _ in range(count)]
    names = ("left", "top", "width", "height")
    x, y, w, h = torch.tensor([[float(one[name]) for name in names] for one in chosen]).T

    pairs = ((width * height, w * h), (width / height, w / h), (left, x), (top, y))
    # Two samples of one distribution are further apart once in a thousand times.
    limit = math.sqrt(-math.log(0.001 / 2) / count)
    assert all(distance(one, other) < limit for one, other in pairs)
    assert (left + width <= SIZE).all()
    assert (top + height <= SIZE).all()


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return the largest difference between two empirical distribution functions."""
    at = torch.cat((one, other))
    shares = [
        torch.searchsorted(values.sort().values, at, right=True) / len(values)
        for values in (one, other)
    ]
    return float((shares[0] - shares[1]).abs().max())


@pytest.mark.parametrize("augmentation", [Augmentation(), Augmentation(0.4, 0.5)])
def test_pixels_are_distributed_as_by_torchvision(augmentation: Augmentation) -> None:
    for photo in patches(2):
        ours = augmented(photo, augmentation).float()
        theirs = one_by_one(photo, augmentation).float()
        # Each mean is uncertain by its standard error; of 108 patches the furthest is about three.
        one, other = (functional.avg_pool2d(x, 8) for x in (ours, theirs))
        error = ((one.var(0) + other.var(0)) / TIMES).sqrt()
        assert ((one.mean(0) - other.mean(0)) / error).abs().max() < 4.5
        assert float((one.std(0) / other.std(0)).mean()) == pytest.approx(1, abs=0.05)
        limit = math.sqrt(-math.log(0.001 / 2) / TIMES)
        for one, other in zip(measures(ours), measures(theirs), strict=True):
            assert distance(one, other) < limit


def measures(photos: torch.Tensor) -> list[torch.Tensor]:
    """Return brightness, contrast, colour, and the blanked share of each photo."""
    colour = photos.amax(1) - photos.amin(1)
    blank = (photos == GREY).all(1).float()
    axes = (1, 2, 3)
    return [photos.mean(axes), photos.std(axes), colour.mean((1, 2)), blank.mean((1, 2))]


def mirrored(photos: torch.Tensor) -> torch.Tensor:
    left, right = photos.float().mean((1, 2)).chunk(2, dim=-1)
    return left.mean(-1) > right.mean(-1)


def half_dark() -> torch.Tensor:
    photo = torch.full((3, SIZE, SIZE), 40, dtype=torch.uint8)
    photo[..., SIZE // 2 :] = 200
    return photo


def test_half_of_the_photos_are_mirrored_where_that_is_allowed() -> None:
    assert 0.4 < mirrored(augmented(half_dark(), Augmentation())).float().mean() < 0.6
    assert not mirrored(augmented(half_dark(), Augmentation(), flip=False)).any()


@pytest.mark.parametrize(
    ("caption", "sided"),
    [
        ("A dog on the LEFT .", True),
        ("The right, not the wrong side", True),
        ("left", True),
        ("A dog was left ; this leftover is all right-handed", True),
        ("a bright cleft", False),
    ],
)
def test_a_photo_whose_captions_name_a_side_is_never_mirrored(caption: str, sided: bool) -> None:
    records = [Record(Path("photo.jpg"), ("A dog .", caption), "train")]
    dataset = photo_dataset(
        half_dark()[None],
        records,
        Vocabulary.build(["a dog"]),
        6,
        augmentation=Augmentation(),
    )
    found = dataset.batch(torch.zeros(60, dtype=torch.long), "cpu", draws())
    assert bool(mirrored(found).any()) is not sided


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_rectangle_is_blanked_in_the_requested_share_of_photos(share: float) -> None:
    photo = torch.zeros(3, SIZE, SIZE, dtype=torch.uint8)
    blank = (augmented(photo, Augmentation(erase=share)) == GREY).all(1).float().mean((1, 2))

    assert float((blank > 0).float().mean()) == pytest.approx(share, abs=0.08)
    if share:
        found = blank[blank > 0]
        assert float(found.mean()) == pytest.approx(0.11, abs=0.015)
        assert 0.01 < float(found.min()) < float(found.max()) < 0.22
