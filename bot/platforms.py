"""The platforms that the bot serves: their names in settings, logs, metrics and the database."""

from collections.abc import Mapping
from typing import Literal

Platform = Literal["telegram", "discord", "web"]

TELEGRAM: Platform = "telegram"
DISCORD: Platform = "discord"
WEB: Platform = "web"

# The names that people know.
TITLES: Mapping[Platform, str] = {TELEGRAM: "Telegram", DISCORD: "Discord", WEB: "Web chat"}
