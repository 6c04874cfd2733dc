"""People on Telegram who speak other languages, and what they read."""

from bot import languages
from bot.replies import replies
from captioner import Caption, Options
from tests.bot.telegram.chat import caption_photo
from tests.bot.telegram.fake_telegram import ANN, BEN

ANNA = {**ANN, "language_code": "de"}
BENOIT = {**BEN, "language_code": "fr-CA"}


async def in_words(photo: bytes, options: Options) -> Caption:
    """Caption a photo with the code of the language that is wanted."""
    if options.sample or options.attention:
        return await caption_photo(photo, options)
    return Caption(f"{options.language}.", -0.1, 0.9, ())


def wording(code: str) -> list[str]:
    """Return the labels of the buttons under a caption."""
    with languages.speaking(code):
        return [replies.ANOTHER, replies.ALT_TEXT, replies.LOOK]
