"""Every sentence with which the web server refuses a request, in the language spoken now.

What it says of a photo or a video is in `bot/replies.py`, as in the chats.
"""

from collections.abc import Mapping, Sequence

from bot.languages import NAMES, Sentence, counted, number, translated
from captioner.translation import N_

# What the parameters of a request may be; `wrong_parameter` fills in the limits.
PARAMETERS: Mapping[str, str] = {
    "language": N_("language must be one of {languages}."),
    "alternatives": N_("alternatives must be a whole number from 0 to {most}."),
    "explain": N_("explain must be 0 or 1."),
    "another": N_("another must be a whole number from 0 to {most}."),
    "shown": N_("shown must have at most {most} characters."),
    "n": N_("n must be a whole number from 1 to {most}."),
}


class Refusals:
    """The sentences, and functions for those that hold values."""

    NO_OTHER_STORY = Sentence(
        "I have only one story for a video. Please leave out the parameter {name}."
    )
    NEEDS_FIELD = Sentence(
        'The form must hold one or more files, each in a field named "photo", and nothing else.'
    )
    NOT_JSON = Sentence("The body is not JSON in UTF-8.")
    NEEDS_MEMBER = Sentence(
        'The JSON must be an object with one member, "photo": a file in base64, or a list of such '
        "files."
    )
    NOT_BASE64 = Sentence(
        "This is not base64. Encode the whole file, and send no other characters."
    )
    NO_URLS = Sentence("I do not fetch files from addresses. Please send the file itself.")
    BROKEN_UPLOAD = Sentence(
        "This upload is cut off, or its body does not match its headers. Send the file as the "
        'body, or in the field "photo" of a form.'
    )
    SLOW_UPLOAD = Sentence("The upload took too long. Try again, or send a smaller file.")
    FOREIGN = Sentence("Pages of other sites cannot use this server. Open its own page instead.")
    NEEDS_TOKEN = Sentence("This server needs a token; the person who runs it can give you one.")
    WRONG_TOKEN = Sentence("This token is wrong. Check it, and try again.")
    MISDIRECTED = Sentence(
        "This server does not know that host name: open it as localhost. If a proxy passes "
        "requests on to it, its operator must set WEB_BEHIND_PROXY."
    )
    NEEDS_POST = Sentence(
        'Send a photo or a video here with POST, as the body or in the field "photo" of a form.'
    )
    WRONG_FEEDBACK = Sentence("{name} is missing or wrong; /openapi.json describes feedback.")
    NOT_HERE = Sentence("There is nothing here. Send a photo or a video with POST to /api/caption.")
    NO_PAGE = Sentence("There is nothing here. The web chat is at the address / of this server.")

    # To programs that speak OpenAI's API.
    TOO_MANY_VALUES = Sentence("This JSON has far too many values.")
    NO_DATA_URI = Sentence("A file must be a data URI: data:image/jpeg;base64,...")
    NEEDS_IMAGE = Sentence(
        "I only describe photos and videos, and these messages have none. Send one as an image_url."
    )
    NOT_OF_OPENAI = Sentence(
        "There is nothing here. This server has only these addresses of OpenAI's API: POST "
        "/v1/chat/completions and GET /v1/models."
    )

    # Templates.
    TOO_LARGE_TOGETHER = Sentence(
        "These files are too large together: I accept up to {megabytes} MB in one request."
    )
    WRONG_METHOD = Sentence("This address accepts only {methods}.")
    UNKNOWN_PARAMETER = Sentence("There is no parameter {name}. The parameters are: {names}.")
    REPEATED_PARAMETER = Sentence("Give {name} only once.")
    WRONG_FIELD = Sentence("{name} is missing or has the wrong type.")
    ONLY_TEXT = Sentence("I only answer with plain sentences. Leave out {name}.")
    ONLY_MODEL = Sentence("The only model here is {model}.")

    def wrong_parameter(self, name: str, most: int | None = None) -> str:
        """Say what a parameter of a request may be; `most` is its limit, if it has one."""
        return translated(PARAMETERS[name]).format(most=most, languages=", ".join(NAMES))

    def unknown_parameter(self, name: str, names: Sequence[str]) -> str:
        """Name a parameter that a request must not have, and those that it may."""
        return self.UNKNOWN_PARAMETER.format(name=name, names=", ".join(names))

    def too_many_at_once(self, most: int) -> str:
        """Say how many files one request may hold."""
        sentence = counted(
            "I accept {most} file in one request.",
            "I accept up to {most} files in one request.",
            most,
        )
        return sentence.format(most=most)

    def too_large_together(self, megabytes: float) -> str:
        """Say how large all files of a request may be together."""
        return self.TOO_LARGE_TOGETHER.format(megabytes=number(megabytes, ".3g"))

    def wrong_field(self, name: str) -> str:
        """Say which field of a request is wrong."""
        return self.WRONG_FIELD.format(name=name)

    def only_text(self, name: str) -> str:
        """Say which field of a request asks for an answer that is no sentence."""
        return self.ONLY_TEXT.format(name=name)

    def only_model(self, model: str) -> str:
        """Name the model to somebody who asked for another one."""
        return self.ONLY_MODEL.format(model=model)


refusals = Refusals()
