"""The web chat's certificate and key."""

import ssl
from pathlib import Path
from typing import NoReturn

from bot.settings import Settings
from bot.supervision import PlatformError


def context(settings: Settings) -> ssl.SSLContext | None:
    """Return the context for https, or None for http.

    Raises:
        PlatformError: one of the two files is not set, cannot be read, or has the wrong content.
    """
    certificate, key = settings.web_tls_certificate, settings.web_tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        names = ("WEB_TLS_CERTIFICATE", "WEB_TLS_KEY")
        present, missing = names[::-1] if certificate is None else names
        raise _trouble(f"{present} is set, but {missing} is not. Set both for https, or neither")
    _read("WEB_TLS_CERTIFICATE", certificate)
    _read("WEB_TLS_KEY", key)
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    try:
        # `load_cert_chain` checks this too, but does not say which of the two files is wrong.
        ssl.create_default_context().load_verify_locations(certificate)
    except ssl.SSLError as error:
        text = f"WEB_TLS_CERTIFICATE: {certificate} is not a certificate. Set a PEM file"
        raise _trouble(text) from error
    try:
        made.load_cert_chain(certificate, key, _no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            text = (
                f"WEB_TLS_KEY: {key} belongs to another certificate. Set the key of {certificate}"
            )
        else:
            text = f"WEB_TLS_KEY: {key} is not a private key. Set a PEM file"
        raise _trouble(text) from error
    return made


def _read(name: str, path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        text = f"{name}: {path} cannot be read ({error.strerror}). Set an existing PEM file"
        raise _trouble(text) from error


def _no_password() -> NoReturn:
    raise _trouble("WEB_TLS_KEY: the key has a password. Set a PEM file without one")


def _trouble(text: str) -> PlatformError:
    return PlatformError(f"Web chat: {text}")
