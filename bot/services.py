"""What every adapter needs: one set for each platform."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.access import Access
from bot.answers import Answers
from bot.settings import Settings
from bot.store.chat_settings import ChatSettings
from bot.store.inbox import Inbox


@dataclass(frozen=True)
class Services:
    """What an adapter uses to answer, and where it keeps its state."""

    settings: Settings
    answers: Answers  # of this platform
    chat_settings: ChatSettings
    inbox: Inbox
    access: Access
    about: Callable[[], str]  # the answer to /about
    stats: Callable[[], Awaitable[str]]  # the answer to /stats
