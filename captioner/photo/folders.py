"""Finds the photos in a folder."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from captioner.photo.formats import is_photo_name


@dataclass(frozen=True)
class Listing:
    """What is in a folder and in the folders in it."""

    photos: list[str] = field(default_factory=list)  # paths, sorted by folder and name
    unreadable: dict[str, str] = field(default_factory=dict)  # folders, each with the reason


def photos_in(folder: str) -> Listing:
    """List the files in a folder, at any depth, that have the name of a photo.

    Hidden files and folders are passed over. A link to a file counts as the file. A link to a
    folder is not followed: it may lead back, or to a whole disk. A link that leads nowhere is
    listed, because someone expects a photo there; a pipe or a device is not.
    """
    listing, waiting = Listing(), [Path(folder)]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            listing.unreadable[str(here)] = error.strerror or str(error)
            continue
        for entry in visible:
            if _is_folder(entry):
                waiting.append(here / entry.name)
            elif is_photo_name(entry.name) and _may_be_read(entry):
                listing.photos.append(str(here / entry.name))
    listing.photos.sort(key=lambda name: Path(name).parts)
    return listing


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _may_be_read(entry: os.DirEntry[str]) -> bool:
    try:
        return stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        return True  # whoever reads it gets the error
