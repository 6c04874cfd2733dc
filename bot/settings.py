"""All settings, read once from the environment and `.env`."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from dotenv import dotenv_values
from limits import parse
from pydantic import Field, HttpUrl, SecretStr, TypeAdapter, ValidationError, WebsocketUrl
from pydantic.functional_validators import AfterValidator, BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.platforms import DISCORD, TELEGRAM, WEB
from captioner.options import LARGEST_BEAM, Options
from captioner.runtime.select import Runtime
from captioner.shipped import DEFAULT_CHECKPOINT, find

ENV_FILE = Path(".env")


class SettingProblem(NamedTuple):
    """What is wrong with one setting."""

    key: str  # as in `.env`; the file's name if the problem is the file itself
    message: str  # what is wrong, and what is allowed


class SettingsError(ValueError):
    """Settings that cannot be used."""

    def __init__(self, *problems: SettingProblem) -> None:
        """Keep one problem for each wrong setting."""
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        """Return one line for each problem."""
        return "\n".join(f"{key}: {message}" for key, message in self.problems)


def _address(kind: type[HttpUrl] | type[WebsocketUrl]) -> AfterValidator:
    def check(value: str) -> str:
        TypeAdapter(kind).validate_python(value)
        return value.rstrip("/")

    return AfterValidator(check)


def _rate(value: str) -> str:
    parse(value)
    return value


def _split(value: object) -> object:
    return re.split(r"[\s,]+", value.strip()) if isinstance(value, str) else value


HttpAddress = Annotated[str, _address(HttpUrl)]
WebsocketAddress = Annotated[str, _address(WebsocketUrl)]
Rate = Annotated[str, AfterValidator(_rate)]  # "20/minute", as `limits` writes it
Id = Annotated[str, Field(pattern=rf"^({TELEGRAM}:-?\d+|{DISCORD}:\d+|{WEB}:\S+)$")]
Ids = Annotated[frozenset[Id], NoDecode, BeforeValidator(_split)]


class Settings(BaseSettings):
    """The keys of the environment, in lower case; `.env.example` explains each of them."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", frozen=True
    )

    telegram_bot_token: SecretStr | None = None
    telegram_api_url: HttpAddress = "https://api.telegram.org"
    telegram_webhook_url: HttpAddress | None = None

    discord_bot_token: SecretStr | None = None
    discord_api_url: HttpAddress = "https://discord.com/api/v10"
    discord_gateway_url: WebsocketAddress = "wss://gateway.discord.gg"

    web_host: str = "127.0.0.1"
    web_port: int = Field(default=8080, ge=0, le=65535)  # 0: any free port
    web_token: SecretStr | None = None
    web_tls_certificate: Path | None = None
    web_tls_key: Path | None = None
    web_behind_proxy: bool = False

    allowed: Ids = frozenset()  # empty: everyone
    blocked: Ids = frozenset()
    operators: Ids = frozenset()
    photos_per_person: Rate = "20/minute"
    photos_per_chat: Rate = "60/minute"
    photos_per_address: Rate = "6000/minute"

    captioner_checkpoint: Annotated[Path, BeforeValidator(find)] = DEFAULT_CHECKPOINT
    captioner_device: str = "auto"
    captioner_runtime: Runtime = "auto"
    beam: int = Field(default=Options.beam, ge=1, le=LARGEST_BEAM)

    data_dir: Path = Path("data")
    max_photo_mb: float = Field(default=20, gt=0, le=100)  # of 2**20 bytes; Telegram's limit is 20
    max_megapixels: float = Field(default=50, gt=0, le=1000)  # `decode` refuses more
    max_photos: int = Field(default=10, ge=1, le=20)  # in one message or album
    max_queue: int = Field(default=128, ge=1, le=10_000)
    photo_seconds: float = Field(default=60, gt=0, le=600)
    decode_seconds: float = Field(default=10, gt=0, le=600)
    max_attempts: int = Field(default=5, ge=1, le=20)  # for each message
    keep_days: float = Field(default=7, gt=0, le=365)  # of messages that were answered or given up
    missed_hours: float = Field(default=24, ge=0, le=168)  # how far back Discord is searched
    stop_seconds: float = Field(default=20, ge=0, le=600)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["auto", "text", "json"] = "auto"  # auto: text on a terminal

    @property
    def max_bytes(self) -> int:
        """The largest photo, in bytes."""
        return int(self.max_photo_mb * 2**20)


def load() -> Settings:
    """Read the settings.

    Raises:
        SettingsError: a value is not allowed, or `.env` cannot be read.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = [
            _problem(str(details["loc"][0]), details["msg"], details["input"])
            for details in error.errors(include_url=False)
        ]
        raise SettingsError(*problems) from error
    except UnicodeDecodeError as error:
        problem = SettingProblem(str(ENV_FILE), "this is not a text file in UTF-8")
        raise SettingsError(problem) from error


def warnings() -> list[str]:
    """Return warnings about a `.env` file that can be read."""
    if not ENV_FILE.is_file():
        return []
    values = dotenv_values(ENV_FILE)
    return [*_unknown(values), *_exposed(values)]


def _unknown(keys: Iterable[str]) -> Iterator[str]:
    known = [name.upper() for name in Settings.model_fields]
    for key in keys:
        if key.upper() not in known:
            near = get_close_matches(key.upper(), known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield f"{ENV_FILE}: {key} is not a setting{hint}"


def _exposed(values: Mapping[str, str | None]) -> Iterator[str]:
    held = [key for key, value in values.items() if key.upper().endswith("_TOKEN") and value]
    # Windows has no such modes, and reports every file as readable by everyone.
    if held and os.name == "posix" and ENV_FILE.stat().st_mode & 0o077:
        yield (
            f"{ENV_FILE} holds {', '.join(held)}, and other users of this machine can read or "
            f"change it; run: chmod 600 {ENV_FILE}"
        )


def _problem(name: str, message: str, value: Any) -> SettingProblem:
    shown = "" if name.endswith("token") else f", not {str(value)!r}"
    return SettingProblem(name.upper(), message + shown)
