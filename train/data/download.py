"""Download Flickr8k, Flickr30k or COCO into a folder that `datasets.read` can read.

    python -m train download flickr8k data/flickr8k

Archives come from their public addresses over HTTP. An interrupted download continues where it
stopped, at once or when the command is run again. An archive must match its published checksum
before it is unpacked, and is deleted afterwards. An archive that was downloaded by other means may
be put into the folder instead.
"""

import hashlib
import http.client
import re
import shutil
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from train.errors import TrainError


class DownloadError(TrainError):
    """A download that failed; the text says what to do about it."""


@dataclass(frozen=True)
class Archive:
    """One zip file at a public address."""

    url: str
    size: int  # bytes
    checksum: str  # "sha256:..." or "md5:...", as published
    only: tuple[str, ...] = ()  # the members to unpack; empty for all

    @property
    def file(self) -> str:
        """The file's name, on the server and here."""
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Source:
    """A dataset: whom it belongs to, and its archives."""

    terms: str  # one sentence
    archives: tuple[Archive, ...]


_KARPATHY = "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip"
_KARPATHY_SIZE = 36_745_453
_KARPATHY_SHA256 = "sha256:4cfd70132527b80933105e5829dc9034eaab9573482e2e680abbab6130244817"

# Where the checksums are published. COCO and Karpathy's splits: url_checksums/coco_captions.txt of
# TensorFlow Datasets. Flickr8k: the R package torchvision of mlverse. Photos of Flickr30k: the LFS
# object id under which the hub stores the file, which is its SHA-256. COCO's host has no
# certificate for its own name, so the address is plain HTTP; the checksum protects it.
CATALOGUE: Mapping[str, Source] = {
    "flickr8k": Source(
        "Flickr8k belongs to M. Hodosh, P. Young and J. Hockenmaier (JAIR 47, 2013) and its photos "
        "to the people who took them; it is for non-commercial research and education only, and "
        "by fetching it you accept that.",
        (
            Archive(
                "https://github.com/jbrownlee/Datasets/releases/download/Flickr8k/Flickr8k_text.zip",
                2_340_801,
                "md5:bf6c1abcb8e4a833b7f922104de18627",
            ),
            Archive(
                "https://github.com/jbrownlee/Datasets/releases/download/Flickr8k/Flickr8k_Dataset.zip",
                1_115_419_746,
                "md5:f18a1e2920de5bd84dae7cf08ec78978",
            ),
        ),
    ),
    "flickr30k": Source(
        "Flickr30k belongs to P. Young, A. Lai, M. Hodosh and J. Hockenmaier (TACL 2, 2014) and "
        "its photos to the people who took them; it is for non-commercial research and education "
        "only, under Flickr's terms of use, and by fetching it you accept that.",
        (
            Archive(_KARPATHY, _KARPATHY_SIZE, _KARPATHY_SHA256, ("dataset_flickr30k.json",)),
            Archive(
                "https://huggingface.co/datasets/nlphuji/flickr30k/resolve/main/flickr30k-images.zip",
                4_390_240_817,
                "sha256:f78a015e45ea38d4367367223b2bb63cec0d549d5da13c6211663e5439a93216",
            ),
        ),
    ),
    "coco": Source(
        "COCO's captions belong to the COCO Consortium (CC BY 4.0, https://cocodataset.org) and "
        "its photos to the people who took them, under Flickr's terms of use; by fetching it you "
        "accept that.",
        (
            Archive(_KARPATHY, _KARPATHY_SIZE, _KARPATHY_SHA256, ("dataset_coco.json",)),
            Archive(
                "http://images.cocodataset.org/zips/val2014.zip",
                6_645_013_297,
                "sha256:fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0",
            ),
            Archive(
                "http://images.cocodataset.org/zips/train2014.zip",
                13_510_573_713,
                "sha256:ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775",
            ),
        ),
    ),
}


def fetch(
    name: str,
    root: Path,
    *,
    catalogue: Mapping[str, Source] = CATALOGUE,
    attempts: int = 5,
    pause: float = 2.0,
) -> None:
    """Download a dataset's archives into a folder, check them and unpack them there.

    First prints whom the data belongs to, and its terms. An archive that an earlier call finished
    is not requested again; one that it began continues with an HTTP range request, or from the
    start if the server does not support those.

    Args:
        name: a key of the catalogue.
        root: the folder; made if it does not exist.
        catalogue: the addresses of each dataset.
        attempts: connections in a row that may bring no data before this gives up.
        pause: seconds between them.

    Raises:
        DownloadError: no such dataset, too little disk space, a server that refuses or goes away,
            a wrong checksum (the file is then renamed), or an archive that is broken or would
            write outside the folder (nothing is then unpacked).
    """
    if name not in catalogue:
        known = ", ".join(catalogue)
        raise DownloadError(f"There is no dataset {name!r}, only {known}.")
    source = catalogue[name]
    print(source.terms)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(f"{root} cannot be made a folder: {error}. Choose another.") from error
    missing = [archive for archive in source.archives if not _is_unpacked(archive, root)]
    _check_room(missing, root)
    for archive in missing:
        path = root / archive.file
        _transfer(archive, path, attempts, pause)
        _check(archive, path)
        _unpack(archive, path, root)
        path.unlink()
    print(f"{name} is complete in {root}.")


def _check_room(archives: list[Archive], root: Path) -> None:
    if not archives:
        return
    # Photos hardly compress: they need as much as the zips, and one zip is there at the same time.
    sizes = [archive.size for archive in archives]
    needed, free = sum(sizes) + max(sizes), shutil.disk_usage(root).free
    begun = sum(_size(root / archive.file) for archive in archives)
    if free + begun < needed:
        raise DownloadError(
            f"This needs about {needed / 1e9:.1f} GB in {root}, where {free / 1e9:.1f} GB are "
            "free. Make room, or choose another folder."
        )


def _transfer(archive: Archive, path: Path, attempts: int, pause: float) -> None:
    size = furthest = _size(path)
    fruitless = 0
    with tqdm(
        total=archive.size, initial=size, desc=archive.file, unit="B", unit_scale=True
    ) as bar:
        while size < archive.size:
            reason = _continue(archive, path, size, bar.update)
            size = _size(path)
            fruitless = 0 if size > furthest else fruitless + 1
            furthest = max(size, furthest)
            if fruitless == attempts:
                raise DownloadError(
                    f"{archive.url} could not be fetched: {reason}. {size:,} of {archive.size:,} "
                    "bytes are here; run the same command again later to continue from there."
                )
            if size < archive.size:
                time.sleep(pause)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _continue(archive: Archive, path: Path, offset: int, advance: Callable[[int], object]) -> str:
    """Append what one connection brings; return why it ended."""
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    request = urllib.request.Request(archive.url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            start = _start(response, offset)
            _check_offer(archive, start, response)
            with path.open("r+b" if path.exists() else "wb") as file:
                file.seek(start)
                file.truncate()
                advance(start - offset)
                while chunk := response.read(1 << 18):
                    file.write(chunk)
                    advance(len(chunk))
    except urllib.error.HTTPError as error:
        with error:
            if error.code < 500 and error.code not in {408, 429}:
                raise DownloadError(
                    f"{archive.url} was refused: {error.code} {error.reason}. The file may have "
                    f"moved; if you find it elsewhere, save it as {path} and run this again."
                ) from error
            return f"{error.code} {error.reason}"
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    return "the connection closed early"


def _start(response: http.client.HTTPResponse, offset: int) -> int:
    """Return where in the file the body begins, which may not be where it was requested."""
    if response.status != 206:
        return 0
    span = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if span is None or int(span[1]) > offset:
        raise http.client.HTTPException("the server sent a different part of the file")
    return int(span[1])


def _check_offer(archive: Archive, start: int, response: http.client.HTTPResponse) -> None:
    if response.length is not None and start + response.length != archive.size:
        raise DownloadError(
            f"{archive.url} offers {start + response.length:,} bytes where {archive.size:,} were "
            "published: either the file has changed, or a proxy answers for it. Open the "
            "address in a browser to see which."
        )


def _check(archive: Archive, path: Path) -> None:
    algorithm, _, published = archive.checksum.partition(":")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()
    if found != published:
        aside = path.replace(path.with_name(f"{path.name}.bad"))
        raise DownloadError(
            f"{path.name} is not the published file: its {algorithm} is {found} instead of "
            f"{published}. It was set aside as {aside}, which you may delete; run the same command "
            f"again, and if that ends the same way, {archive.url} has changed."
        )


def _unpack(archive: Archive, path: Path, root: Path) -> None:
    try:
        with zipfile.ZipFile(path) as bundle:
            members = _members(archive, bundle, root)
            for member in tqdm(members, desc=f"unpacking {archive.file}", unit="file"):
                bundle.extract(member, root)
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise DownloadError(
            f"{path} cannot be unpacked: {error}. If the disk has room, delete the file and run "
            "the same command again."
        ) from error
    receipt = "\n".join([archive.checksum, *members])
    _receipt(archive, root).write_text(receipt, encoding="utf-8")


def _members(archive: Archive, bundle: zipfile.ZipFile, root: Path) -> list[str]:
    names = archive.only or bundle.namelist()
    for name in names:
        bundle.getinfo(name)
        if not (root / name).resolve().is_relative_to(root.resolve()):
            raise DownloadError(
                f"{archive.file} would write {name!r} outside {root}. Nothing was unpacked; do not "
                "trust this file."
            )
    # macOS adds a second, useless file for every photo that it zips.
    return [n for n in names if not n.startswith("__MACOSX/") and not n.endswith("/")]


def _receipt(archive: Archive, root: Path) -> Path:
    return root / f".{archive.file}.unpacked"


def _is_unpacked(archive: Archive, root: Path) -> bool:
    receipt = _receipt(archive, root)
    if not receipt.exists():
        return False
    checksum, *members = receipt.read_text(encoding="utf-8").split("\n")
    return checksum == archive.checksum and all((root / member).exists() for member in members)
