"""Downloads from a real HTTP server on loopback, which can be told to misbehave."""

import hashlib
import io
import re
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from train.data.download import CATALOGUE, Archive, DownloadError, Source, fetch

TERMS = "These photos belong to nobody; do as you like."


@dataclass
class Site:
    """What the server holds, how it behaves, and what it was asked."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    block: int = 1  # ranges begin at a multiple of this, the next one up where negative
    drops: list[int] = field(default_factory=list)  # body bytes after which connections close
    failures: list[int] = field(default_factory=list)  # status codes to answer first
    asked: list[str | None] = field(default_factory=list)  # the Range header of each request


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            span = self.headers.get("Range")
            site.asked.append(span)
            body = site.files.get(self.path.removeprefix("/"))
            if site.failures or body is None:
                self.send_error(site.failures.pop(0) if site.failures else 404)
                return
            start = 0
            if span and site.ranges:
                asked = int(span.removeprefix("bytes=").removesuffix("-"))
                start = asked - asked % site.block
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            stop = start + site.drops.pop(0) if site.drops else len(body)
            self.wfile.write(body[start:stop])

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield site
        server.shutdown()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        for name, content in files.items():
            bundle.writestr(name, content)
    return buffer.getvalue()


PHOTOS = {"photos/a.jpg": bytes(range(256)) * 40, "photos/b.jpg": b"second"}


def offer(site: Site, body: bytes, only: tuple[str, ...] = (), file: str = "photos.zip") -> Archive:
    site.files[file] = body
    checksum = f"sha256:{hashlib.sha256(body).hexdigest()}"
    return Archive(f"{site.address}/{file}", len(body), checksum, only)


def get(*archives: Archive, root: Path, attempts: int = 2) -> None:
    catalogue = {"ours": Source(TERMS, archives)}
    fetch("ours", root, catalogue=catalogue, attempts=attempts, pause=0)


def unpacked(root: Path) -> dict[str, bytes]:
    files = (f for f in root.rglob("*") if f.is_file() and not f.name.startswith("."))
    return {f.relative_to(root).as_posix(): f.read_bytes() for f in files}


def test_a_download_is_unpacked_and_its_archives_are_removed(site: Site, tmp_path: Path) -> None:
    texts = {"captions.txt": b"a.jpg#0\tA photo ."}
    archives = offer(site, zipped(PHOTOS)), offer(site, zipped(texts), file="texts.zip")
    get(*archives, root=tmp_path / "new" / "folder")
    assert unpacked(tmp_path / "new" / "folder") == PHOTOS | texts
    assert site.asked == [None, None]


def test_the_terms_are_printed_before_anything_is_downloaded(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = offer(site, zipped(PHOTOS))
    site.failures = [403]
    with pytest.raises(DownloadError):
        get(archive, root=tmp_path)
    assert capsys.readouterr().out.startswith(TERMS)


def test_a_dropped_connection_is_continued_where_it_broke(site: Site, tmp_path: Path) -> None:
    archive = offer(site, zipped(PHOTOS))
    site.drops = [1000, 2500]
    get(archive, root=tmp_path, attempts=1)
    assert site.asked == [None, "bytes=1000-", "bytes=3500-"]
    assert unpacked(tmp_path) == PHOTOS


def test_an_interrupted_download_continues_when_run_again(site: Site, tmp_path: Path) -> None:
    archive = offer(site, zipped(PHOTOS))
    site.drops = [1000, 0]
    with pytest.raises(DownloadError, match=r"1,000 of .* run the same command again"):
        get(archive, root=tmp_path, attempts=1)
    get(archive, root=tmp_path)
    assert site.asked == [None, "bytes=1000-", "bytes=1000-"]
    assert unpacked(tmp_path) == PHOTOS


def test_a_range_that_begins_too_early_is_not_appended_twice(site: Site, tmp_path: Path) -> None:
    archive = offer(site, zipped(PHOTOS))
    site.drops, site.block = [1000], 512
    get(archive, root=tmp_path)
    assert unpacked(tmp_path) == PHOTOS


def test_a_range_that_begins_too_late_leaves_no_gap(site: Site, tmp_path: Path) -> None:
    archive = offer(site, zipped(PHOTOS))
    site.drops, site.block = [1000], -4096
    with pytest.raises(DownloadError, match="different part of the file"):
        get(archive, root=tmp_path)
    assert (tmp_path / archive.file).stat().st_size == 1000


def test_a_server_without_ranges_starts_again(site: Site, tmp_path: Path) -> None:
    archive = offer(site, zipped(PHOTOS))
    site.drops, site.ranges = [1000], False
    get(archive, root=tmp_path)
    assert site.asked == [None, "bytes=1000-"]
    assert unpacked(tmp_path) == PHOTOS


def test_a_second_try_that_starts_again_keeps_nothing_of_the_first(
    site: Site, tmp_path: Path
) -> None:
    archive = offer(site, zipped(PHOTOS))
    (tmp_path / archive.file).write_bytes(b"?" * 5000)
    site.drops, site.ranges = [300], False
    with pytest.raises(DownloadError, match="300 of"):
        get(archive, root=tmp_path, attempts=1)
    assert (tmp_path / archive.file).read_bytes() == site.files[archive.file][:300]


def test_a_server_that_is_busy_is_asked_again(site: Site, tmp_path: Path) -> None:
    archive = offer(site, zipped(PHOTOS))
    site.failures = [503]
    get(archive, root=tmp_path)
    assert unpacked(tmp_path) == PHOTOS


def test_a_server_that_stays_away_is_given_up(site: Site, tmp_path: Path) -> None:
    archive = offer(site, zipped(PHOTOS))
    site.failures = [503, 503, 503]
    with pytest.raises(DownloadError, match=r"503 .* 0 of"):
        get(archive, root=tmp_path)
    assert len(site.asked) == 2


def test_a_missing_file_is_an_error_at_once(site: Site, tmp_path: Path) -> None:
    archive = offer(site, zipped(PHOTOS))
    site.files.clear()
    with pytest.raises(DownloadError, match=r"photos\.zip was refused: 404"):
        get(archive, root=tmp_path, attempts=5)
    assert len(site.asked) == 1


def test_a_complete_dataset_is_not_requested_again(site: Site, tmp_path: Path) -> None:
    archive = offer(site, zipped(PHOTOS))
    get(archive, root=tmp_path)
    get(archive, root=tmp_path)
    assert len(site.asked) == 1


def test_a_deleted_photo_is_fetched_again(site: Site, tmp_path: Path) -> None:
    archive = offer(site, zipped(PHOTOS))
    get(archive, root=tmp_path)
    (tmp_path / "photos" / "b.jpg").unlink()
    get(archive, root=tmp_path)
    assert unpacked(tmp_path) == PHOTOS


def test_a_complete_archive_is_unpacked_without_a_request(site: Site, tmp_path: Path) -> None:
    archive = offer(site, zipped(PHOTOS))
    (tmp_path / archive.file).write_bytes(site.files[archive.file])
    get(archive, root=tmp_path)
    assert site.asked == []
    assert unpacked(tmp_path) == PHOTOS


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_file_with_a_wrong_checksum_is_renamed_and_the_next_run_starts_again(
    site: Site, tmp_path: Path, algorithm: str
) -> None:
    body = zipped(PHOTOS)
    checksum = f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"
    damaged = b"?" + body[1:]
    archive = Archive(offer(site, damaged).url, len(body), checksum)
    with pytest.raises(DownloadError, match=r"not the published file.*run the same command again"):
        get(archive, root=tmp_path)
    assert unpacked(tmp_path) == {"photos.zip.bad": damaged}

    site.files["photos.zip"] = body
    get(archive, root=tmp_path)
    assert unpacked(tmp_path).keys() == {"photos.zip.bad", *PHOTOS}


def test_a_page_in_place_of_the_file_is_refused_before_it_is_written(
    site: Site, tmp_path: Path
) -> None:
    archive = offer(site, zipped(PHOTOS))
    site.files["photos.zip"] = b"<html>Please sign in to this network"
    with pytest.raises(DownloadError, match=r"offers 36 bytes where 10,"):
        get(archive, root=tmp_path)
    assert unpacked(tmp_path) == {}


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt", "photos/../../outside.txt"])
def test_a_zip_that_writes_outside_the_folder_is_refused_whole(
    site: Site, tmp_path: Path, name: str
) -> None:
    root = tmp_path / "data"
    archive = offer(site, zipped({"photos/a.jpg": b"photo", name: b"malicious"}))
    with pytest.raises(DownloadError, match=re.escape(f"write {name!r} outside")):
        get(archive, root=root)
    assert unpacked(tmp_path).keys() == {"data/photos.zip"}


def test_a_file_that_is_not_a_zip_is_an_error(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"photos\.zip cannot be unpacked: .*zip"):
        get(offer(site, b"no archive at all"), root=tmp_path)


def test_only_the_requested_members_are_unpacked(site: Site, tmp_path: Path) -> None:
    get(offer(site, zipped(PHOTOS), only=("photos/b.jpg",)), root=tmp_path)
    assert unpacked(tmp_path) == {"photos/b.jpg": b"second"}


def test_a_member_that_is_not_there_is_an_error(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"no item named 'c\.jpg'"):
        get(offer(site, zipped(PHOTOS), only=("c.jpg",)), root=tmp_path)


def test_files_that_macos_adds_to_a_zip_are_left_out(site: Site, tmp_path: Path) -> None:
    get(offer(site, zipped(PHOTOS | {"__MACOSX/photos/._a.jpg": b"mac"})), root=tmp_path)
    assert unpacked(tmp_path) == PHOTOS


def test_too_little_disk_space_is_an_error_before_anything_is_downloaded(
    site: Site, tmp_path: Path
) -> None:
    archive = Archive(f"{site.address}/photos.zip", 10**18, "md5:")
    with pytest.raises(DownloadError, match=r"needs about 2000000000\.0 GB"):
        get(archive, root=tmp_path)
    assert site.asked == []


def test_a_file_where_the_folder_should_be_is_an_error(site: Site, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(DownloadError, match="taken cannot be made a folder"):
        get(offer(site, zipped(PHOTOS)), root=tmp_path / "taken")


def test_an_unknown_dataset_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="'flickr9k', only flickr8k, flickr30k, coco"):
        fetch("flickr9k", tmp_path)


def test_every_public_archive_has_a_size_and_a_whole_checksum() -> None:
    digits = {"md5": 32, "sha256": 64}
    for source in CATALOGUE.values():
        for archive in source.archives:
            algorithm, _, checksum = archive.checksum.partition(":")
            assert re.fullmatch(f"[0-9a-f]{{{digits[algorithm]}}}", checksum), archive.url
            assert archive.size > 1_000_000
            assert archive.file.endswith(".zip")
