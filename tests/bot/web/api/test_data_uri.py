"""Data URIs: what is decoded, in pieces of any size, and what is refused."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.web.api.data_uri import DataUriError, decode

steady = settings(deadline=None, derandomize=True, database=None)
HEAD = "data:image/jpeg;base64,"


@steady
@given(
    st.binary(max_size=40),
    st.integers(1, 12),
    st.booleans(),
    st.booleans(),
    st.integers(1, 9),
)
def test_base64_in_every_form_is_decoded_in_pieces_of_any_size(
    photo: bytes, chunk: int, for_addresses: bool, padded: bool, width: int
) -> None:
    encode = base64.urlsafe_b64encode if for_addresses else base64.b64encode
    coded = encode(photo).decode()
    if not padded:
        coded = coded.rstrip("=")
    lines = "\r\n".join(coded[at : at + width] for at in range(0, len(coded), width))

    assert decode(f"{HEAD}{lines}\n", chunk) == photo


@steady
@given(st.text("Aa+/=\n-", max_size=16), st.integers(1, 12))
def test_padding_is_only_at_the_end_however_large_the_pieces_are(coded: str, chunk: int) -> None:
    def decoded(chunk: int) -> bytes | None:
        try:
            return decode(f"{HEAD}{coded}", chunk)
        except DataUriError:
            return None

    assert decoded(chunk) == decoded(100)
    if "=A" in coded.replace("\n", ""):
        assert decoded(chunk) is None


@steady
@given(st.text())
def test_any_text_is_decoded_or_refused(text: str) -> None:
    for uri in (text, HEAD + text):
        try:
            decode(uri)
        except DataUriError:
            continue


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("https://example.com/dog.jpg", "address"),
        (" HTTP://127.0.0.1/", "address"),
        ("file:///etc/passwd", "other"),
        ("", "other"),
        ("/9j/4AAQ", "other"),
        ("data:image/jpeg;base64", "other"),
        ("data:image/png,%89PNG%0D%0A", "other"),
        (f"data:{'a' * 300};base64,AAAA", "other"),
        (f"{HEAD}%2B", "not base64"),
        (f"{HEAD}A", "not base64"),
        (f"{HEAD}AAA\0", "not base64"),
        (f"{HEAD}AA==AAAA", "not base64"),
        (f"{HEAD}AAAö", "not base64"),
        (f"{HEAD}AAA\ud800", "not base64"),
    ],
)
def test_what_is_no_data_uri_in_base64_is_refused(uri: str, kind: str) -> None:
    with pytest.raises(DataUriError) as refused:
        decode(uri)
    assert refused.value.kind == kind


def test_a_long_text_that_is_no_data_uri_is_refused_at_once() -> None:
    for long in (" " * 10**6, "data:" + "a" * 10**6, "data:" + ";base64" * 10**5):
        with pytest.raises(DataUriError):
            decode(long)
