"""Settings from the environment and `.env`, and the errors for wrong ones."""

import os
import re
from pathlib import Path

import pytest
from pydantic import SecretStr

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


def test_origins_are_written_as_browsers_send_them(monkeypatch: pytest.MonkeyPatch) -> None:
    given = "HTTPS://Example.ORG:443, http://localhost:3000;http://[::1]:80 https://bücher.example"
    monkeypatch.setenv("CORS_ORIGINS", given)

    assert settings.load().cors_origins == {
        "https://example.org",
        "http://localhost:3000",
        "http://[::1]",
        "https://xn--bcher-kva.example",
    }


def test_an_empty_value_is_the_default(clean: Path) -> None:
    (clean / ".env").write_text("TELEGRAM_BOT_TOKEN=\nWEB_PORT=\n")

    assert settings.load() == Settings()
    assert settings.load().telegram_bot_token is None


WHOLE_PORT = "must be a whole number from 0 to 65535"
PEOPLE = "must be people, chats or servers by platform and id, with commas, such as telegram:7,"
RATE = "must be one or more photos per unit of time, such as 5/second, 20/minute, 300/hour,"
ADDRESS = "must be an address such as https://bot.example"
SHARDS = "must be numbers of shards, such as 0-3 or 0,2"
LISTENS = "must be an address of this machine, without http:// and port, such as 127.0.0.1"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("WEB_PORT", "99999", WHOLE_PORT),
        ("WEB_PORT", "http", WHOLE_PORT),
        ("WEB_PORT", "8_0", WHOLE_PORT),
        ("WEB_PORT", "8080.0", WHOLE_PORT),
        ("WEB_PORT", "-1", WHOLE_PORT),
        ("WEB_PORT", "80 # comment", "must be without a comment"),
        ("BEAM", "21", "must be a whole number from 1 to 20"),
        ("MAX_PHOTO_MB", "0", "must be a number above 0 and at most 100"),
        ("MAX_PHOTO_MB", "20MB", "must be a number above 0 and at most 100"),
        ("MAX_PHOTO_MB", "nan", "must be a number above 0 and at most 100"),
        ("MAX_VIDEO_MB", "101", "must be a number above 0 and at most 100"),
        ("VIDEO_SECONDS", "0.5", "must be a number from 1 to 600"),
        ("VIDEO_SECONDS", "601", "must be a number from 1 to 600"),
        ("VIDEO_FRAMES", "0", "must be a whole number from 1 to 240"),
        ("VIDEO_FRAMES", "241", "must be a whole number from 1 to 240"),
        ("MISSED_HOURS", "169", "must be a number from 0 to 168"),
        ("WEB_BEHIND_PROXY", "maybe", "must be true or false"),
        ("FEEDBACK", "true", "must be on or off"),
        ("FEEDBACK", "ON", "must be on or off"),
        ("LOG_LEVEL", "LOUD", "must be DEBUG, INFO, WARNING or ERROR"),
        ("CAPTIONER_RUNTIME", "tensorrt", "must be auto, torch or onnx"),
        ("TELEGRAM_API_URL", "api.telegram.org", ADDRESS),
        ("TELEGRAM_API_URL", "https://api telegram.org", ADDRESS),
        ("TELEGRAM_API_URL", "https://api.telegram.org/?token=1", ADDRESS),
        ("TELEGRAM_WEBHOOK_URL", "http://bot.example", "must be an https address, which Telegram"),
        ("DISCORD_GATEWAY_URL", "https://gateway.discord.gg", "must be an address such as wss://"),
        ("SHARD_COUNT", "-1", "must be a whole number from 0 to 10000"),
        ("SHARD_IDS", "a-b", SHARDS),
        ("SHARD_IDS", "3-0", SHARDS),
        ("SHARD_IDS", "0..3", SHARDS),
        ("SHARD_IDS", "0-99999", SHARDS),
        ("SHARD_IDS", ",", SHARDS),
        ("SHARD_IDS", "0-3", "must be empty, or SHARD_COUNT must say how many shards there are"),
        (
            "CAPTIONER_URL",
            "http://a..b:8000",
            "must be an address such as http://captioner.example",
        ),
        ("CAPTIONER_URL", f"http://{'a' * 64}", "must be an address such as http://captioner."),
        ("CAPTIONER_URL", "captioner:8000", "must be an address such as http://captioner.example"),
        ("CAPTIONER_URL", "ray://head:10001", "must be the http address of the deployment, such"),
        ("WEB_HOST", "http://0.0.0.0", LISTENS),
        ("WEB_HOST", "0.0.0.0:80", LISTENS),
        ("WEB_HOST", "[::1]", LISTENS),
        ("PHOTOS_PER_PERSON", "20", RATE),
        ("PHOTOS_PER_CHAT", "0/minute", RATE),
        ("PHOTOS_PER_CHAT", "5/minute;0/hour", RATE),
        ("PHOTOS_PER_CHAT", "5 per 0 minutes", RATE),
        ("PHOTOS_PER_ADDRESS", "20/fortnight", RATE),
        ("PHOTOS_PER_ADDRESS", "5/minute 20/hour", RATE),
        ("ALLOWED", "foo", PEOPLE),
        ("ALLOWED", ",", PEOPLE),
        ("BLOCKED", "@ann", PEOPLE),
        ("BLOCKED", "web:203.0.113.0/24", PEOPLE),
        ("OPERATORS", "telegram:@ann", PEOPLE),
        *(
            ("CORS_ORIGINS", origin, "must be exact origins of pages, with commas and nothing")
            for origin in (
                "*",
                "https://*.example.org",
                "example.org",
                "//example.org",
                "null",
                "https://example.org/",
                "https://example.org/page",
                "https://example.org?a",
                "https://example.org#a",
                "https://ann@example.org",
                "https://example.org:0",
                "https://example.org:65536",
                "https://example.org:",
                "https://[::1",
                "https://[zz]",
                "https://",
                f"https://{'a' * 64}.org",
                "https://a..b",
                "file:///tmp",
                ",",
            )
        ),
        ("DATA_DIR", "$HOME/data", "must be a path without variables"),
        ("DATA_DIR", "/srv/${NAME}/data", "must be a path without variables"),
        ("DATA_DIR", "~nobody-has-this-name/data", "must be a path; there is no home folder"),
        ("DATA_DIR", '"data', "must have no quotation marks, or one at each end"),
        ("DATA_DIR", "data # the folder", "must be without a comment"),
        ("DATA_DIR", "data\x07", "must be one line of text"),
        ("DATA_DIR", "data\udcff", "must be text in UTF-8"),
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
    assert problem.message.startswith(said)
    assert problem.message.endswith(f", not {value!r}")


def test_of_several_names_the_wrong_one_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED", "telegram:7 and discord:42")

    with pytest.raises(SettingsError, match=r"discord:42,web:203\.0\.113\.7, not 'and'$"):
        settings.load()


@pytest.mark.parametrize("key", ["TELEGRAM_BOT_TOKEN", "DISCORD_BOT_TOKEN"])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("12345:sec\rret", "must be one line of text, without control characters"),
        ("Bot 12345:secret", "must be one word, without spaces; copy only the token"),
        ("12345:sécret", "must have only ASCII letters, digits and signs; copy it again"),
        ('"12345:secret', "must have no quotation marks, or one at each end"),
    ],
)
def test_a_token_that_cannot_be_one_is_refused_without_showing_it(
    key: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(key, value)

    with pytest.raises(SettingsError) as error:
        settings.load()
    assert error.value.problems == ((key, said),)


@pytest.mark.parametrize("blank", [" ", "\t", "\r", '""', "''", '" "'])
@pytest.mark.parametrize("key", ["TELEGRAM_BOT_TOKEN", "WEB_TOKEN", "DATA_DIR", "ALLOWED", "BEAM"])
def test_a_blank_value_is_not_set(key: str, blank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(key, blank)

    assert settings.load() == Settings.model_construct()


@pytest.mark.parametrize("written", ['"{}"', "'{}'", " {} ", "{}\r", '"{}"\r'])
@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        ("DATA_DIR", "/srv/my data", Path("/srv/my data")),
        ("WEB_PORT", "9000", 9000),
        ("WEB_TOKEN", "secret", SecretStr("secret")),
        ("CAPTIONER_CHECKPOINT", "small", shipped.find("small")),
        ("PHOTOS_PER_CHAT", "5/minute;20/hour", "5/minute;20/hour"),
    ],
)
def test_what_another_program_leaves_around_a_value_is_no_part_of_it(
    written: str, key: str, value: str, meant: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(key, written.format(value))

    assert getattr(settings.load(), key.lower()) == meant


@pytest.mark.parametrize(
    "key", ["DATA_DIR", "CAPTIONER_CHECKPOINT", "WEB_TLS_CERTIFICATE", "WEB_TLS_KEY"]
)
def test_a_path_may_begin_at_home(key: str, clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(clean))
    monkeypatch.setenv(key, "~/x")

    assert getattr(settings.load(), key.lower()) == clean / "x"


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("telegram:7,discord:42,", {"telegram:7", "discord:42"}),
        ("telegram:7;discord:42", {"telegram:7", "discord:42"}),
        ("Telegram:007 telegram:-100", {"telegram:7", "telegram:-100"}),
        ("web:2001:DB8:0:0::7", {"web:2001:db8::7"}),
        ("web:2001:db8::7/64", {"web:2001:db8::/64"}),
        ("web:::ffff:203.0.113.7", {"web:203.0.113.7"}),
    ],
)
def test_people_are_recognized_however_they_are_written(
    value: str, meant: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOWED", value)

    assert settings.load().allowed == meant


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("0-3", (0, 1, 2, 3)),
        ("0,2", (0, 2)),
        ("2, 0-1;2", (0, 1, 2)),
        ("07", (7,)),
        ("", ()),
    ],
)
def test_shards_are_numbers_and_ranges(
    value: str, meant: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHARD_COUNT", "8")
    monkeypatch.setenv("SHARD_IDS", value)

    assert settings.load().shard_ids == meant


def test_a_shard_is_below_their_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARD_COUNT", "4")
    monkeypatch.setenv("SHARD_IDS", "2-4")

    with pytest.raises(SettingsError) as error:
        settings.load()
    assert error.value.problems == (
        ("SHARD_IDS", "must be from 0 to 3 as SHARD_COUNT is 4, not '2-4'"),
    )


def test_a_wrong_count_of_shards_is_the_only_error_about_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SHARD_COUNT", "four")
    monkeypatch.setenv("SHARD_IDS", "0-3")

    with pytest.raises(SettingsError) as error:
        settings.load()
    assert [problem.key for problem in error.value.problems] == ["SHARD_COUNT"]


def test_a_server_of_ones_own_may_have_a_webhook_without_https(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TELEGRAM_API_URL", "http://127.0.0.1:8081")
    monkeypatch.setenv("TELEGRAM_WEBHOOK_URL", "http://127.0.0.1:8080")

    assert settings.load().telegram_webhook_url == "http://127.0.0.1:8080"


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


def test_a_folder_in_place_of_the_file_is_named(clean: Path) -> None:
    (clean / ".env").mkdir()

    with pytest.raises(SettingsError, match=r"^\.env: this is a folder; it must be a file, or not"):
        settings.load()


def test_a_link_to_nothing_in_place_of_the_file_is_named(clean: Path) -> None:
    (clean / ".env").symlink_to("secrets.env")

    with pytest.raises(SettingsError, match=r"^\.env: this is a link to secrets\.env, which does"):
        settings.load()


def test_a_file_that_cannot_be_read_is_named(clean: Path) -> None:
    (clean / ".env").symlink_to("/proc/self/mem")  # which nobody can read from its start

    with pytest.raises(SettingsError, match=r"^\.env: cannot be read \(Input/output error\)$"):
        settings.load()


def test_a_token_is_never_shown() -> None:
    config = Settings.model_validate({"telegram_bot_token": "12345:secret"})

    assert "secret" not in repr(config)
    assert config.telegram_bot_token is not None
    assert config.telegram_bot_token.get_secret_value() == "12345:secret"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("CAPTIONER_URL", "http://bot:secret@captioner.example/?a=1"),
        ("CAPTIONER_URL", "captioner://bot:secret@captioner.example"),
        ("TELEGRAM_API_URL", "http://bot:secret@a..b"),
        ("DATABASE_URL", "postgresql://bot:secret"),  # the machine is missing
        ("DATABASE_URL", "postgresql://bot:secret/database"),
        ("DATABASE_URL", "postgresql://bot:sec@ret@database/bot"),
    ],
)
def test_a_wrong_address_is_refused_without_showing_its_password(
    key: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(key, value)

    with pytest.raises(SettingsError) as error:
        settings.load()
    (problem,) = error.value.problems
    assert problem.key == key
    assert problem.message.startswith("must be an address such as ")
    assert "sec" not in problem.message


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///bot",
        "postgresql://database",
        "postgres://bot@database:5432/bot",
        "postgresql://bot:se:cret@[::1]:5432/bot",
        "postgresql://bot:secret@one:5432,two:5433/bot?target_session_attrs=read-write",
        "postgresql:///bot?host=/var/run/postgresql&port=5433",
        "postgresql://bot@%2Fvar%2Frun/bot",
    ],
)
def test_what_the_driver_understands_is_an_address(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert url in settings.load().secrets


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
@pytest.mark.parametrize(
    ("key", "value"),
    [("TELEGRAM_BOT_TOKEN", "12345:secret"), ("DATABASE_URL", "postgresql://bot:secret@db/bot")],
)
def test_secrets_that_others_can_read_or_change_cause_a_warning(
    clean: Path, key: str, value: str, mode: int
) -> None:
    (clean / ".env").write_text(f"{key}={value}\nDISCORD_BOT_TOKEN=\n")
    (clean / ".env").chmod(mode)

    (warning,) = settings.warnings()
    assert warning.startswith(f".env holds {key}, and other users")
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
        "shard_ids",
        "web_token",
        "web_tls_certificate",
        "web_tls_key",
        "allowed",
        "captioner_url",
        "blocked",
        "cors_origins",
        "operators",
        "database_url",
    }
