"""What photos hold, as one digest, so that cached features are never those of other photos.

Every byte is read once. After that, files whose size, inode and times are unchanged are taken for
the same without being read; what was moved or copied is read again, and found to be the same.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from captioner.files import replacing
from train.data.datasets import Record

FILE = "contents.json"  # in the folder of a cache


def contents(photos: Sequence[Path], folder: Path) -> str:
    """Return a digest of the names and contents of photos, in their order.

    Args:
        photos: those that are missing or cannot be read count as empty.
        folder: of the cache; a note there saves reading them again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / FILE
    state = digest([_state(photo) for photo in photos])
    if note.exists():
        noted = _noted(note)
        if noted.get("state") == state and "contents" in noted:
            return noted["contents"]
    bar = tqdm(photos, "check photos", unit="photo", leave=False)
    found = digest([[photo.name, _sha256(photo)] for photo in bar])
    with replacing(note) as part:
        part.write_text(json.dumps({"state": state, "contents": found}))
    return found


def captions_digest(records: Sequence[Record]) -> str:
    """Return a digest of the photos' names, splits and captions, in their order."""
    return digest([[record.photo.name, record.split, *record.captions] for record in records])


def _noted(note: Path) -> dict[str, str]:
    try:
        noted = json.loads(note.read_text())
    except ValueError:
        return {}
    return noted if isinstance(noted, dict) else {}


def _state(photo: Path) -> list[object]:
    try:
        stat = photo.stat()
    except OSError:
        return [photo.name]
    # The time of change is set by every replacement, even one that keeps the other time.
    times = stat.st_mtime_ns, stat.st_ctime_ns
    return [photo.name, stat.st_size, stat.st_dev, stat.st_ino, *times]


def _sha256(photo: Path) -> str:
    try:
        with photo.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def digest(parts: object) -> str:
    """Return the SHA-256 of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
