"""Small datasets, written to disk as their authors lay them out."""

from pathlib import Path

from train.data.datasets import Dataset, Split


def lay(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def photos(folder: str, *names: str) -> dict[str, str | bytes]:
    return {f"{folder}/{name}": b"a photo, which is listed but not opened" for name in names}


def summary(dataset: Dataset) -> dict[str, tuple[Split, tuple[str, ...]]]:
    assert all(record.photo.is_file() for record in dataset.records)
    return {record.photo.name: (record.split, record.captions) for record in dataset.records}


def tokens(*names: str) -> str:
    return "".join(f"{name}#{i}\t Caption {i} of {name} . \n" for name in names for i in range(2))


def captions_of(name: str) -> tuple[str, str]:
    return f"Caption 0 of {name} .", f"Caption 1 of {name} ."


LISTS: dict[str, str | bytes] = {
    "Flickr_8k.trainImages.txt": "a.jpg\n",
    "Flickr_8k.devImages.txt": "b.jpg\n",
    "Flickr_8k.testImages.txt": "c.jpg\n",
}
LISTED = {
    "a.jpg": ("train", captions_of("a.jpg")),
    "b.jpg": ("val", captions_of("b.jpg")),
    "c.jpg": ("test", captions_of("c.jpg")),
}
