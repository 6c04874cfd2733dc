"""All settings, read once from the environment and `.env`."""

import os
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from dotenv import dotenv_values
from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.functional_validators import BeforeValidator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.setting_values import (
    CaptionerAddress,
    DatabaseAddress,
    Decimal,
    FilePath,
    Host,
    HttpAddress,
    Ids,
    Origins,
    PlatformToken,
    Rates,
    ShardIds,
    WebsocketAddress,
    Whole,
    allowed,
    check_text,
    cleaned,
)
from captioner.options import LARGEST_BEAM, Options
from captioner.photo.limits import MOST_MEGAPIXELS, MOST_VIDEO_FRAMES, MOST_VIDEO_SECONDS, Limits
from captioner.runtime.select import Runtime
from captioner.shipped import DEFAULT_CHECKPOINT, find

ENV_FILE = Path(".env")
TELEGRAM_API = "https://api.telegram.org"


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


class Settings(BaseSettings):
    """The keys of the environment, in lower case; `.env.example` explains each of them."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", frozen=True
    )

    telegram_bot_token: PlatformToken | None = None
    telegram_api_url: HttpAddress = TELEGRAM_API
    telegram_webhook_url: HttpAddress | None = None

    discord_bot_token: PlatformToken | None = None
    discord_api_url: HttpAddress = "https://discord.com/api/v10"
    discord_gateway_url: WebsocketAddress = "wss://gateway.discord.gg"
    # The most shards are enough for 25 million servers, 2,500 each; 0: as many as Discord advises.
    shard_count: Whole = Field(default=0, ge=0, le=10_000)
    shard_ids: ShardIds = ()  # of this process; empty: all

    web_host: Host = "127.0.0.1"
    web_port: Whole = Field(default=8080, ge=0, le=65535)  # 0: any free port
    web_token: SecretStr | None = None
    web_tls_certificate: FilePath | None = None
    web_tls_key: FilePath | None = None
    web_behind_proxy: bool = False
    cors_origins: Origins = frozenset()  # of other sites whose pages may use the API
    feedback: Literal["on", "off"] = "off"

    allowed: Ids = frozenset()  # empty: everyone
    blocked: Ids = frozenset()
    operators: Ids = frozenset()
    photos_per_person: Rates = "20/minute"
    photos_per_chat: Rates = "60/minute"
    photos_per_address: Rates = "6000/minute"

    captioner_url: CaptionerAddress | None = None  # instead of the three below
    captioner_checkpoint: Annotated[FilePath, BeforeValidator(find)] = DEFAULT_CHECKPOINT
    captioner_device: str = "auto"
    captioner_runtime: Runtime = "auto"
    beam: Whole = Field(default=Options.beam, ge=1, le=LARGEST_BEAM)

    data_dir: FilePath = Path("data")
    database_url: DatabaseAddress | None = None  # then DATA_DIR is not used
    max_photo_mb: Decimal = Field(default=20, gt=0, le=100)  # 2**20 bytes; Telegram: 20
    max_video_mb: Decimal = Field(default=20, gt=0, le=100)
    video_seconds: Decimal = Field(default=Limits.video_seconds, ge=1, le=MOST_VIDEO_SECONDS)
    video_frames: Whole = Field(default=Limits.video_frames, ge=1, le=MOST_VIDEO_FRAMES)
    max_megapixels: Decimal = Field(default=50, gt=0, le=MOST_MEGAPIXELS)
    max_photos: Whole = Field(default=10, ge=1, le=20)  # in one message or album
    max_queue: Whole = Field(default=128, ge=1, le=10_000)
    photo_seconds: Decimal = Field(default=60, gt=0, le=600)
    decode_seconds: Decimal = Field(default=10, gt=0, le=600)
    max_attempts: Whole = Field(default=5, ge=1, le=20)  # for each message
    keep_days: Decimal = Field(default=7, gt=0, le=365)  # answered or given up
    missed_hours: Decimal = Field(default=24, ge=0, le=168)  # how far back Discord is searched
    stop_seconds: Decimal = Field(default=20, ge=0, le=600)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["auto", "text", "json"] = "auto"  # auto: text on a terminal

    @model_validator(mode="before")
    @classmethod
    def _clean(cls, values: dict[str, Any]) -> dict[str, Any]:
        return cleaned(values)

    @field_validator("*", mode="before")
    @classmethod
    def _check(cls, value: object) -> object:
        return check_text(value) if isinstance(value, str) else value

    @field_validator("telegram_webhook_url")
    @classmethod
    def _check_webhook(cls, value: str | None, info: ValidationInfo) -> str | None:
        # A Bot API server of one's own takes http too.
        theirs = info.data.get("telegram_api_url") == TELEGRAM_API
        if value and theirs and not value.lower().startswith("https:"):
            raise ValueError("must be an https address, which Telegram requires")
        return value

    @field_validator("shard_ids")
    @classmethod
    def _check_shards(cls, ids: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        count = info.data.get("shard_count")  # None if that is wrong itself
        if ids and count == 0:
            raise ValueError("must be empty, or SHARD_COUNT must say how many shards there are")
        if ids and count and ids[-1] >= count:
            raise ValueError(f"must be from 0 to {count - 1} as SHARD_COUNT is {count}")
        return ids

    @property
    def secrets(self) -> list[str]:
        """What no log may hold."""
        tokens = (self.telegram_bot_token, self.discord_bot_token, self.web_token)
        return [secret.get_secret_value() for secret in (*tokens, self.database_url) if secret]

    @property
    def max_bytes(self) -> int:
        """The largest photo, in bytes."""
        return int(self.max_photo_mb * 2**20)

    @property
    def max_video_bytes(self) -> int:
        """The largest video, in bytes."""
        return int(self.max_video_mb * 2**20)

    @property
    def inbox_file(self) -> Path:
        """The file of the inbox."""
        return self.data_dir / "inbox.sqlite3"

    @property
    def chats_file(self) -> Path:
        """The file of the chats' settings."""
        return self.data_dir / "chats.sqlite3"

    @property
    def feedback_file(self) -> Path:
        """The file of what people said about captions."""
        return self.data_dir / "feedback.sqlite3"


def load() -> Settings:
    """Read the settings.

    Raises:
        SettingsError: a value is not allowed, or `.env` cannot be read.
    """
    try:
        _check_file()
        return Settings()
    except ValidationError as error:
        raise SettingsError(*map(_problem, error.errors(include_url=False))) from error
    except UnicodeDecodeError as error:
        problem = SettingProblem(str(ENV_FILE), "this is not a text file in UTF-8")
        raise SettingsError(problem) from error
    except OSError as error:
        problem = SettingProblem(str(ENV_FILE), f"cannot be read ({error.strerror})")
        raise SettingsError(problem) from error


def _check_file() -> None:
    # The library would ignore both.
    if ENV_FILE.is_dir():
        what = "this is a folder; it must be a file, or not exist"
    elif ENV_FILE.is_symlink() and not ENV_FILE.exists():
        what = f"this is a link to {ENV_FILE.readlink()}, which does not exist"
    else:
        return
    raise SettingsError(SettingProblem(str(ENV_FILE), what))


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
    held = [
        key
        for key, value in values.items()
        if key.upper().endswith(("_TOKEN", "DATABASE_URL")) and value and value.strip()
    ]
    # Windows has no such modes, and reports every file as readable by everyone.
    if held and os.name == "posix" and ENV_FILE.stat().st_mode & 0o077:
        yield (
            f"{ENV_FILE} holds {', '.join(held)}, and other users of this machine can read or "
            f"change it; run: chmod 600 {ENV_FILE}"
        )


def _problem(details: Mapping[str, Any]) -> SettingProblem:
    name, value = str(details["loc"][0]), details["input"]
    # Errors of pydantic's own have other types.
    said = details["ctx"]["error"].args if details["type"] == "value_error" else ()
    message, value = (*said, value)[:2] if said else (allowed(Settings.model_fields[name]), value)
    # An address may hold a password, which stands before an @.
    secret = name.endswith(("token", "database_url")) or (
        name.endswith("_url") and "@" in str(value)
    )
    shown = "" if secret else f", not {str(value)!r}"
    return SettingProblem(name.upper(), message + shown)
