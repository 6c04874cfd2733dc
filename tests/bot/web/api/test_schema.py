"""Schemathesis sends the API requests that its OpenAPI file allows and forbids."""

import asyncio
import copy
import json
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bot.store.sqlite.feedback_rows import SqliteFeedback
from captioner import BadImage, Caption, Options
from tests.bot.web.server import OPENAPI, SURE, serving, web_chat
from tests.conftest import LONG

EXAMPLES = 60 if LONG else 8  # of each operation
TOKEN = "a token"


async def sees_a_picture_in_any_bytes(photo: bytes, options: Options) -> Caption:
    """Take what the schema calls a photo: it cannot say which bytes are pictures.

    Schemathesis writes objects, which no photo is, as JSON into a form.
    """
    with suppress(ValueError):
        if isinstance(json.loads(photo), dict):
            photo = b""
    if not photo:
        raise BadImage("empty")
    return replace(SURE, alternatives=SURE.alternatives[: options.alternatives])


def with_a_token() -> dict[str, object]:
    """Return what the OpenAPI file says of a server that has a token."""
    schema = copy.deepcopy(OPENAPI)
    for operations in schema["paths"].values():
        for operation in operations.values():
            if {} in operation.get("security", []):
                operation["security"].remove({})
    return schema


async def test_the_api_is_what_its_openapi_file_says(tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(with_a_token()), "utf-8")
    options = {
        "--header": f"Authorization: Bearer {TOKEN}",
        "--checks": "all",
        "--max-examples": str(EXAMPLES),
        "--seed": "1",
        "--workers": "1",
    }
    settings: dict[str, Any] = {
        "web_token": SecretStr(TOKEN),
        "photo_seconds": 5,
        "max_photos": 1000,  # in a message, of which the file cannot say how many there may be
    }
    async with (
        SqliteFeedback(tmp_path / "feedback.sqlite3") as feedback,
        serving(web_chat(sees_a_picture_in_any_bytes, feedback=feedback, **settings)) as url,
    ):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "--no-color", "run", "openapi.json"),
            *("--url", url, *(part for option in options.items() for part in option)),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            said, _ = await asyncio.wait_for(process.communicate(), 120)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    assert process.returncode == 0, said.decode()
    assert f"Tested: {len(OPENAPI['paths'])}" in said.decode()
