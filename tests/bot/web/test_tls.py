"""The web chat over https."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import ClientSession
from cryptography.hazmat.primitives import serialization

from bot.supervision import PlatformError
from bot.web import adapter as module
from bot.web import tls
from tests.bot.web.server import PHOTO, connect, documented, ended, serving, web_chat

AUTHORITY = trustme.CA()


def pem(folder: Path, name: str) -> dict[str, Any]:
    """Write a certificate for this machine, and its key."""
    made = AUTHORITY.issue_cert("localhost", "127.0.0.1")
    files = {
        "web_tls_certificate": folder / f"{name}.pem",
        "web_tls_key": folder / f"{name}-key.pem",
    }
    made.cert_chain_pems[0].write_to_path(str(files["web_tls_certificate"]))
    made.private_key_pem.write_to_path(str(files["web_tls_key"]))
    return files


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    return pem(tmp_path, "own")


@pytest.fixture
def trust() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


async def test_with_a_certificate_and_its_key_the_site_is_https(
    files: dict[str, Any], trust: ssl.SSLContext
) -> None:
    async with serving(web_chat(**files)) as url, ClientSession() as client:
        assert url.startswith("https://127.0.0.1:")
        async with client.post(f"{url}/api/caption", data=PHOTO, ssl=trust) as answer:
            assert answer.status == 200
            assert (await documented(answer))["caption"] == "A dog runs."
        async with client.get(url, ssl=trust) as answer:
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert (await web_chat(**files).check()).startswith("Web chat: https://127.0.0.1:")


async def test_without_a_certificate_browsers_are_not_sent_to_https() -> None:
    async with serving(web_chat()) as url, ClientSession() as client, client.get(url) as answer:
        assert "Strict-Transport-Security" not in answer.headers


async def test_old_versions_of_tls_are_refused(files: dict[str, Any]) -> None:
    context = tls.context(web_chat(**files).settings)
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"])
async def test_a_client_that_does_not_use_tls_is_cut_off(
    sent: bytes,
    files: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "HEAD_SECONDS", 0.1)
    async with serving(web_chat(**files)) as url:
        reader, writer = await connect(url)
        writer.write(sent)
        assert b"HTTP" not in await ended(reader)
        writer.close()

    assert [record.name for record in caplog.records if record.exc_info] == []


def wrong(folder: Path, files: dict[str, Any], case: str) -> tuple[dict[str, Any], str]:
    """Return the settings, and how the error message starts."""
    certificate, key = files["web_tls_certificate"], files["web_tls_key"]
    match case:
        case "no key":
            return {"web_tls_certificate": certificate}, "WEB_TLS_CERTIFICATE is set, but WEB_TLS_K"
        case "no certificate":
            return {"web_tls_key": key}, "WEB_TLS_KEY is set, but WEB_TLS_CERTIFICATE is not"
        case "certificate is not there":
            missing = folder / "none.pem"
            return files | {"web_tls_certificate": missing}, f"WEB_TLS_CERTIFICATE: {missing}"
        case "key is a folder":
            return files | {"web_tls_key": folder}, f"WEB_TLS_KEY: {folder}"
        case "certificate is a letter":
            certificate.write_text("Dear Sir")
            return files, f"WEB_TLS_CERTIFICATE: {certificate}"
        case "key is a letter":
            key.write_text("Dear Sir")
            return files, f"WEB_TLS_KEY: {key} is not a private key"
        case "swapped":
            return {"web_tls_certificate": key, "web_tls_key": certificate}, "WEB_TLS_CERTIFICATE:"
        case "another's key":
            other = pem(folder, "other")["web_tls_key"]
            return files | {"web_tls_key": other}, f"WEB_TLS_KEY: {other} belongs to another"
        case _:
            loaded = serialization.load_pem_private_key(key.read_bytes(), None)
            locked = loaded.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"a password"),
            )
            key.write_bytes(locked)
            return files, "WEB_TLS_KEY: the key has a password"


@pytest.mark.parametrize(
    "case",
    [
        "no key",
        "no certificate",
        "certificate is not there",
        "key is a folder",
        "certificate is a letter",
        "key is a letter",
        "swapped",
        "another's key",
        "key with a password",
    ],
)
async def test_a_wrong_file_is_named_by_its_key(
    case: str, tmp_path: Path, files: dict[str, Any]
) -> None:
    fields, start = wrong(tmp_path, files, case)
    with pytest.raises(PlatformError) as checked:
        await web_chat(**fields).check()
    with pytest.raises(PlatformError) as run:
        await web_chat(**fields).run(asyncio.Event())

    assert str(checked.value) == str(run.value)
    assert str(run.value).startswith(f"Web chat: {start}")
    assert " Set " in str(run.value)
