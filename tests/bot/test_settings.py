"""Settings from the environment and `.env`, and the errors for wrong ones."""

import os
import re
from pathlib import Path

import pytest

from bot import settings
from bot.settings import Settings, SettingsError
from captioner import shipped

EXAMPLE = Path(__file__).parents[2] / ".env.example"


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Start from an empty folder and an environment that sets none of the keys."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_any_key_only_the_web_chat_runs_on_loopback() -> None:
    config = settings.load()

    assert config.telegram_bot_token is None
    assert config.discord_bot_token is None
    assert (config.web_host, config.web_port) == ("127.0.0.1", 8080)
    assert config.captioner_checkpoint.is_file()


@pytest.mark.parametrize("name", shipped.NAMES)
def test_a_checkpoint_that_ships_is_called_by_its_name(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPTIONER_CHECKPOINT", name)

    path = settings.load().captioner_checkpoint

    assert path.name == f"{name}.safetensors"
    assert path.is_file()
    assert shipped.name_of(path) == name


def test_any_other_checkpoint_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTIONER_CHECKPOINT", "runs/first/default.safetensors")

    path = settings.load().captioner_checkpoint

    assert path == Path("runs/first/default.safetensors")
    assert shipped.name_of(path) is None


def test_a_shipped_checkpoint_is_recognized_by_any_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shipped.WEIGHTS)

    assert shipped.name_of(Path("default.safetensors")) == "default"


def test_the_environment_overrides_the_file(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clean / ".env").write_text("WEB_PORT=9000\nBEAM=3\n")
    monkeypatch.setenv("WEB_PORT", "9001")

    assert (settings.load().web_port, settings.load().beam) == (9001, 3)


def test_an_empty_value_is_the_default(clean: Path) -> None:
    (clean / ".env").write_text("TELEGRAM_BOT_TOKEN=\nWEB_PORT=\n")

    assert settings.load() == Settings()
    assert settings.load().telegram_bot_token is None


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("WEB_PORT", "99999", "less than or equal to 65535"),
        ("WEB_PORT", "http", "valid integer"),
        ("LOG_LEVEL", "LOUD", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("TELEGRAM_API_URL", "api.telegram.org", "valid URL"),
        ("DISCORD_GATEWAY_URL", "https://gateway.discord.gg", "'ws' or 'wss'"),
        ("MAX_PHOTO_MB", "0", "greater than 0"),
        ("BEAM", "21", "less than or equal to 20"),
    ],
)
def test_a_wrong_value_names_its_key_and_what_is_allowed(
    key: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(key, value)

    with pytest.raises(SettingsError) as error:
        settings.load()
    (problem,) = error.value.problems
    assert problem.key == key
    assert said in problem.message
    assert problem.message.endswith(f", not {value!r}")


def test_every_wrong_key_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_PORT", "x")
    monkeypatch.setenv("BEAM", "0")

    with pytest.raises(SettingsError, match=r"(?s)WEB_PORT: .*\nBEAM: ") as error:
        settings.load()
    assert [problem.key for problem in error.value.problems] == ["WEB_PORT", "BEAM"]


def test_a_file_that_is_not_text_is_named(clean: Path) -> None:
    (clean / ".env").write_bytes(b"WEB_PORT=\xff\xfe")

    with pytest.raises(SettingsError, match=re.escape(".env: this is not a text file in UTF-8")):
        settings.load()


def test_a_token_is_never_shown() -> None:
    config = Settings.model_validate({"telegram_bot_token": "12345:secret"})

    assert "secret" not in repr(config)
    assert config.telegram_bot_token is not None
    assert config.telegram_bot_token.get_secret_value() == "12345:secret"


def test_addresses_lose_their_last_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_API_URL", "http://127.0.0.1:8081/")

    assert settings.load().telegram_api_url == "http://127.0.0.1:8081"


def test_a_mistyped_key_is_named_with_the_likely_one(clean: Path) -> None:
    (clean / ".env").write_text("TELEGRAM_TOKEN=1\nWEB_PORT=8080\nZZZ=1\n")

    (clean / ".env").chmod(0o600)

    assert settings.warnings() == [
        ".env: TELEGRAM_TOKEN is not a setting; did you mean TELEGRAM_BOT_TOKEN?",
        ".env: ZZZ is not a setting",
    ]


@pytest.mark.skipif(os.name != "posix", reason="needs the modes of files")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606, 0o620])
def test_tokens_that_others_can_read_or_change_cause_a_warning(clean: Path, mode: int) -> None:
    (clean / ".env").write_text("TELEGRAM_BOT_TOKEN=12345:secret\nDISCORD_BOT_TOKEN=\n")
    (clean / ".env").chmod(mode)

    (warning,) = settings.warnings()
    assert warning.startswith(".env holds TELEGRAM_BOT_TOKEN, and other users")
    assert warning.endswith("chmod 600 .env")
    assert "secret" not in warning

    (clean / ".env").chmod(0o600)
    assert settings.warnings() == []


def test_others_may_read_a_file_without_secrets(clean: Path) -> None:
    assert settings.warnings() == []

    (clean / ".env").write_text("WEB_PORT=8080\nTELEGRAM_BOT_TOKEN=\n")
    (clean / ".env").chmod(0o644)
    assert settings.warnings() == []


def test_the_example_file_shows_every_key_with_its_default() -> None:
    lines = dict(re.findall(r"^([A-Z_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))

    assert {name.lower() for name in lines} == set(Settings.model_fields)
    shown = {name.lower(): value for name, value in lines.items() if value}
    defaults = Settings()
    assert Settings.model_validate(shown) == defaults
    unset = set(Settings.model_fields) - set(shown)
    assert unset == {
        "telegram_bot_token",
        "telegram_webhook_url",
        "discord_bot_token",
        "web_token",
        "web_tls_certificate",
        "web_tls_key",
        "allowed",
        "blocked",
        "operators",
    }
