"""Finds the photos in a folder."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from captioner.photo.formats import is_photo_name


@dataclass(frozen=True, slots=True)
class Found:
    """A photo in a folder, or a folder in it that cannot be read."""

    path: str
    within: str  # its path from the folder that was searched, with "/" between the names
    problem: str = ""  # why the folder cannot be read


@dataclass(frozen=True)
class Listing:
    """What is in a folder and in the folders in it."""

    photos: list[str] = field(default_factory=list)  # paths, sorted by folder and name
    unreadable: dict[str, str] = field(default_factory=dict)  # folders, each with the reason


def photos_in(folder: str) -> Listing:
    """List what `walk` finds."""
    listing = Listing()
    for found in walk(folder):
        if found.problem:
            listing.unreadable[found.path] = found.problem
        else:
            listing.photos.append(found.path)
    return listing


def walk(folder: str, wanted: Callable[[str], bool] = is_photo_name) -> Iterator[Found]:
    """Find the files in a folder, at any depth, whose names are wanted: by default of photos.

    They come sorted by folder and name. A folder is listed when its turn comes, so the first photos
    come at once, and only the names in it and in the folders above it are kept.

    Hidden files and folders are passed over. A link to a file counts as the file. A link to a
    folder is not followed: it may lead back, or to a whole disk. A link that leads nowhere is
    found, because someone expects a photo there; a pipe or a device is not.
    """
    opened: list[_Folder] = []
    path, within = Path(folder), ""
    while True:
        try:
            opened.append(_Folder.read(path, within, wanted))
        except OSError as error:
            yield Found(str(path), within.removesuffix("/"), error.strerror or str(error))
        while opened:
            here = opened[-1]
            name = next(here.names, None)
            if name is None:
                opened.pop()
            elif name in here.folders:
                path, within = Path(here.prefix + name), f"{here.within}{name}/"
                break
            else:
                yield Found(here.prefix + name, here.within + name)
        else:
            return


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder that is being searched."""

    prefix: str  # of the paths in it
    within: str  # likewise, from the folder that was searched
    names: Iterator[str]  # of what it holds
    folders: frozenset[str]  # which of them are folders

    @classmethod
    def read(cls, path: Path, within: str, wanted: Callable[[str], bool]) -> "_Folder":
        names, folders = list[str](), list[str]()
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if _is_folder(entry):
                    folders.append(entry.name)
                elif wanted(entry.name) and _may_be_read(entry):
                    names.append(entry.name)
        # As pathlib joins them: nothing before a name in the current folder.
        prefix = str(path / "x").removesuffix("x")
        return cls(prefix, within, iter(sorted(names + folders)), frozenset(folders))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _may_be_read(entry: os.DirEntry[str]) -> bool:
    try:
        # For most files the listing says this, so that a million need not be asked about.
        return entry.is_file(follow_symlinks=False) or stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        return True  # whoever reads it gets the error
