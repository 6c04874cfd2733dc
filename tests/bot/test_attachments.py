"""What a file says that it is, by its declared type and its name."""

import mimetypes

import pytest

from bot.attachments import Kind, kind_of
from captioner.photo.formats import VIDEO_SUFFIXES


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what the operating system knows about names."""
    monkeypatch.setattr(mimetypes, "guess_type", lambda *name, **how: (None, None))


def test_every_video_that_the_captioner_reads_is_known_by_its_name() -> None:
    assert {kind_of(None, f"A{suffix.upper()}") for suffix in VIDEO_SUFFIXES} == {"video"}


@pytest.mark.parametrize(
    ("declared", "name", "kind"),
    [
        ("image/jpeg", None, "picture"),
        ("IMAGE/JPEG", "a", "picture"),
        (" Image/Jpeg ; name=a", None, "picture"),
        ("image/x-unheard-of", "a.b", "picture"),
        ("application/octet-stream", "A.JPG", "picture"),
        ("application/octet-stream", "a.heic", "picture"),
        ("application/octet-stream", "a.jfif", "picture"),
        ("Binary/Octet-Stream", "a.avif ", "picture"),
        ("text/plain", "a.jpeg", "picture"),
        (None, "a.mpo", "picture"),
        (None, "a.svg", "picture"),  # it is refused in words that say what to do
        ("image/jpeg", "a.mp4", "picture"),
        ("video/mp4", "a.gif", "video"),
        ("VIDEO/MP4", None, "video"),
        (None, "A.MOV", "video"),
        ("application/octet-stream", "a.mkv", "video"),
        ("application/octet-stream", "a.3g2", "video"),
        (None, "a.qt", "video"),
        (None, "a.wmv", "video"),
        ("video/mp2t", "page.ts", "other"),
        ("VIDEO/MP2T; charset=utf-8", None, "other"),
        ("text/typescript", "page.ts", "other"),
        (None, None, "unknown"),
        ("", "", "unknown"),
        (None, "photo", "unknown"),
        ("application/octet-stream", "1234567890", "unknown"),
        ("APPLICATION/OCTET-STREAM", "image.jpg:large", "unknown"),
        (None, ".", "unknown"),
        ("application/pdf", None, "other"),
        ("application/pdf", "photo", "other"),
        (None, "a.pdf", "other"),
        ("application/octet-stream", "a.zip", "other"),
    ],
)
def test_a_type_or_a_name_in_any_case_is_enough(
    declared: str | None, name: str | None, kind: Kind
) -> None:
    assert kind_of(declared, name) == kind
