"""Feedback over the API: only where it is on, validated, bounded, and without the photo."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from pydantic import SecretStr

from bot.access import Access
from bot.replies import replies
from bot.store.errors import DatabaseError
from bot.store.feedback_rows import LONGEST, FeedbackRow
from bot.store.sqlite.feedback_rows import SqliteFeedback
from bot.web.refusals import refusals
from tests.bot.web.server import PHOTO, connect, documented, ended, serving, web_chat

HASH = hashlib.sha256(PHOTO).hexdigest()
SAID = {"photo_sha256": HASH, "caption": "A dog runs.", "language": "en", "verdict": "good"}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteFeedback]:
    async with SqliteFeedback(tmp_path / "feedback.sqlite3") as rows:
        yield rows


@pytest.fixture
async def asking(store: SqliteFeedback) -> AsyncIterator[str]:
    """Return the address of a web chat that keeps feedback."""
    async with serving(web_chat(feedback=store)) as address:
        yield address


async def tell(client: ClientSession, url: str, said: Any, status: int = 204) -> Any:
    """Post feedback; return the error, if any."""
    async with client.post(f"{url}/api/feedback", json=said) as answer:
        assert answer.status == status, await answer.text()
        if status == 204:
            assert answer.headers["Content-Language"] == "en"
            return None
        return await documented(answer, "/api/feedback")


async def kept(store: SqliteFeedback) -> list[tuple[Any, ...]]:
    return [
        (row.photo, row.caption, row.language, row.verdict, row.correction)
        for row in await store.all()
    ]


async def test_where_it_is_off_there_is_nothing(client: ClientSession, url: str) -> None:
    await tell(client, url, SAID, 404)
    async with client.post(f"{url}/api/caption", data=PHOTO) as answer:
        assert "photo_sha256" not in await documented(answer)


async def test_an_answer_names_its_photo_by_its_hash(client: ClientSession, asking: str) -> None:
    for query in ("", "?another=1"):
        async with client.post(f"{asking}/api/caption{query}", data=PHOTO) as answer:
            assert (await documented(answer))["photo_sha256"] == HASH


async def test_a_verdict_is_kept_replaced_and_taken_back(
    client: ClientSession, asking: str, store: SqliteFeedback
) -> None:
    await tell(client, asking, SAID)
    assert await kept(store) == [(HASH, "A dog runs.", "en", "good", None)]
    await tell(client, asking, {**SAID, "verdict": "bad", "correction": "A cat sleeps."})
    assert await kept(store) == [(HASH, "A dog runs.", "en", "bad", "A cat sleeps.")]
    await tell(client, asking, {**SAID, "verdict": None})
    assert await kept(store) == []


async def test_nothing_of_the_photo_and_of_who_said_it_is_kept(
    client: ClientSession, asking: str, store: SqliteFeedback, tmp_path: Path
) -> None:
    async with client.post(f"{asking}/api/caption", data=PHOTO):
        pass
    headers = {"Cookie": "language=de", "User-Agent": "a browser of somebody's"}
    async with client.post(f"{asking}/api/feedback", json=SAID, headers=headers) as answer:
        assert answer.status == 204
    columns = await store.run(lambda db: db.execute("SELECT * FROM feedback").fetchall())
    ((number, key, *said, _),) = columns
    assert (number, key) == (1, FeedbackRow(HASH, "A dog runs.", "en", "good").key)
    assert said == [HASH, "A dog runs.", "en", "good", None]
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert PHOTO[:64] not in written
    assert b"127.0.0.1" not in written
    assert b"a browser of" not in written


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"photo_sha256": "A" * 64}, "photo_sha256"),
        ({"photo_sha256": f"{'a' * 64}\n"}, "photo_sha256"),
        ({"photo_sha256": 1}, "photo_sha256"),
        ({"caption": ""}, "caption"),
        ({"caption": "x" * (LONGEST + 1)}, "caption"),
        ({"caption": ["A dog."]}, "caption"),
        ({"caption": "\0 \u202e"}, "caption"),
        ({"language": "english"}, "language"),
        ({"language": "xx"}, "language"),
        ({"verdict": "fine"}, "verdict"),
        ({"verdict": True}, "verdict"),
        ({"correction": "A cat."}, "correction"),  # of a caption that is called good
        ({"verdict": None, "correction": "A cat."}, "correction"),
        ({"verdict": "bad", "correction": "x" * (LONGEST + 1)}, "correction"),
        ({"person": "me"}, "person"),
        ({"x" * 99: 1}, "x" * 40),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_kept(
    client: ClientSession, asking: str, store: SqliteFeedback, change: dict[str, Any], wrong: str
) -> None:
    error = await tell(client, asking, {**SAID, **change}, 400)
    assert refusals.WRONG_FEEDBACK.format(name=wrong) in error.values()
    assert await kept(store) == []


@pytest.mark.parametrize("name", list(SAID))
async def test_a_missing_field_is_named(client: ClientSession, asking: str, name: str) -> None:
    rest = {key: value for key, value in SAID.items() if key != name}
    error = await tell(client, asking, rest, 400)
    assert refusals.WRONG_FEEDBACK.format(name=name) in error.values()


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff", json.dumps(SAID).encode()[:-1], b'{"a": "\\ud800"}'],
)
async def test_a_body_that_is_not_its_json_is_refused(
    client: ClientSession, asking: str, body: bytes
) -> None:
    headers = {"Content-Type": "application/json"}
    async with client.post(f"{asking}/api/feedback", data=body, headers=headers) as answer:
        assert answer.status == 400
        await documented(answer, "/api/feedback")


async def test_errors_are_in_the_language_of_the_request(
    client: ClientSession, asking: str
) -> None:
    async with client.post(f"{asking}/api/feedback?language=de", json={}) as answer:
        assert (answer.status, answer.headers["Content-Language"]) == (400, "de")
    async with client.post(f"{asking}/api/feedback?language=xx", json=SAID) as answer:
        assert answer.status == 400
        assert "language must be" in await answer.text()


async def test_only_json_is_taken(client: ClientSession, asking: str) -> None:
    async with client.post(f"{asking}/api/feedback", data=json.dumps(SAID)) as answer:
        assert answer.status == 415
        await documented(answer, "/api/feedback")


async def test_a_long_body_is_refused(client: ClientSession, asking: str) -> None:
    await tell(client, asking, {**SAID, "person": "x" * 20_000}, 413)
    # The longest texts, each character written as two escapes, pass.
    longest = {**SAID, "verdict": "bad", "caption": "😀" * LONGEST, "correction": "🐕" * LONGEST}
    await tell(client, asking, longest)


async def test_a_body_that_breaks_off_is_an_error(asking: str) -> None:
    reader, writer = await connect(asking)
    head = "POST /api/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\nno chunk\r\n".encode())
    assert b" 400 " in await ended(reader)
    writer.close()


async def test_texts_are_one_line_without_what_turns_or_hides_text(
    client: ClientSession, asking: str, store: SqliteFeedback
) -> None:
    said = {
        **SAID,
        "caption": " A dog\truns.\u2028",
        "verdict": "bad",
        "correction": "A\0 \x1b[31mcafe\u0301\n\u202eseen\u2069 by a \U0001f469\u200d\U0001f33e",
    }
    await tell(client, asking, said)
    ((_, caption, _, _, correction),) = await kept(store)
    assert caption == "A dog runs."
    assert correction == "A [31mcaf\u00e9 seen by a \U0001f469\u200d\U0001f33e"


@pytest.mark.parametrize("correction", ["", " \n", "A dog runs.", " A  dog runs. "])
async def test_what_corrects_nothing_is_no_correction(
    client: ClientSession, asking: str, store: SqliteFeedback, correction: str
) -> None:
    await tell(client, asking, {**SAID, "verdict": "bad", "correction": correction})
    assert await kept(store) == [(HASH, "A dog runs.", "en", "bad", None)]


async def test_it_counts_towards_the_rate_of_its_address(
    client: ClientSession, store: SqliteFeedback
) -> None:
    access = Access("2/hour", "2/hour")
    async with serving(web_chat(feedback=store, access=access)) as url:
        for number in range(2):
            await tell(client, url, {**SAID, "caption": f"Number {number}."})
        await tell(client, url, SAID, 429)
    assert len(await kept(store)) == 2


async def test_it_needs_the_token_and_a_page_of_its_own(
    client: ClientSession, store: SqliteFeedback
) -> None:
    async with serving(web_chat(feedback=store, web_token=SecretStr("a token"))) as url:
        await tell(client, url, SAID, 401)
        headers = {"Authorization": "Bearer a token"}
        elsewhere = {**headers, "Origin": "https://elsewhere.example"}
        async with client.post(f"{url}/api/feedback", json=SAID, headers=elsewhere) as answer:
            assert answer.status == 403
        async with client.post(f"{url}/api/feedback", json=SAID, headers=headers) as answer:
            assert answer.status == 204
    assert len(await kept(store)) == 1


async def test_a_store_that_cannot_be_used_is_said_and_captions_go_on(
    client: ClientSession, store: SqliteFeedback, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(row: FeedbackRow) -> None:
        raise DatabaseError("DATA_DIR: data", "the disk is full")

    monkeypatch.setattr(store, "put", full)
    async with serving(web_chat(feedback=store)) as url:
        error = await tell(client, url, SAID, 503)
        assert replies.FAILED in error.values()
        async with client.post(f"{url}/api/caption", data=PHOTO) as answer:
            assert answer.status == 200


async def test_the_page_asks_only_where_it_is_kept(
    client: ClientSession, asking: str, url: str
) -> None:
    for address, asks, hidden in ((asking, "yes", ""), (url, "no", " hidden")):
        async with client.get(address) as answer:
            html = await answer.text()
        assert f'<body data-asks="{asks}">' in html
        assert f"<p{hidden}>If you press a thumb" in html
