"""Photos in a folder, or at an address such as s3://bucket/photos.

Addresses are those of pyarrow, which Ray Data brings, or those of fsspec, after "fsspec+".
"""

import os
from collections.abc import Callable, Iterator

from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

from captioner.command_line.files import PhotoFile, find, read
from captioner.errors import BadImage
from captioner.photo.formats import is_photo_name


def is_address(place: str) -> bool:
    """Return whether a place is an address such as s3://bucket/photos, not a folder."""
    return "://" in place


def opened(place: str) -> tuple[FileSystem, str]:
    """Return the file system of a place, and the path there.

    Raises:
        OSError: it cannot be reached.
        ValueError: there is no such kind of address.
    """
    if is_address(place):
        return FileSystem.from_uri(place)
    return LocalFileSystem(), os.path.abspath(place)


def photos_at(source: str) -> Iterator[PhotoFile]:
    """Find the photos of a folder or an address.

    Raises:
        OSError: the address cannot be listed.
        ValueError: there is no such kind of address.
    """
    if not is_address(source):
        yield from find([source])
        return
    filesystem, root = opened(source)
    start = source.partition("?")[0].rstrip("/")
    for found in filesystem.get_file_info(FileSelector(root, recursive=True)):
        within = found.path.strip("/").removeprefix(root.strip("/")).lstrip("/")
        hidden = any(part.startswith(".") for part in within.split("/"))
        if found.type == FileType.File and is_photo_name(within) and not hidden:
            yield PhotoFile(f"{start}/{within}", key=within)


def reader(source: str) -> Callable[[PhotoFile, int], bytes]:
    """Return what reads a photo of `photos_at`; it raises as `files.read` does."""
    if not is_address(source):
        return read
    filesystem, root = opened(source)

    def read_remote(photo: PhotoFile, limit: int) -> bytes:
        with filesystem.open_input_file(f"{root.rstrip('/')}/{photo.key}") as file:
            if (size := file.size()) > limit:
                raise BadImage("too many bytes", size=size, limit=limit)
            return bytes(file.read())

    return read_remote
