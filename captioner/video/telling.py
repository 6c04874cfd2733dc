"""How the captions of scenes become one text."""

from collections.abc import Sequence

from captioner.languages.scripts import joined
from captioner.result import Caption
from captioner.wording import AFTER_THAT, FINALLY, FIRST, NEXT, THEN, Said, worded

# How the sentences of a story begin, by how many there are. No two begin alike.
OPENINGS = {
    2: (FIRST, THEN),
    3: (FIRST, THEN, FINALLY),
    4: (FIRST, THEN, AFTER_THAT, FINALLY),
    5: (FIRST, THEN, AFTER_THAT, NEXT, FINALLY),
}


def story(captions: Sequence[Caption], *, doubt: bool = True) -> str:
    """Tell scenes, up to five, in the language of their captions.

    "First a dog runs along a beach. Then two people throw a ball." A single scene is told as the
    caption of a photo.

    Args:
        captions: of the scenes, in their order.
        doubt: whether doubts are said too; without them, it describes the video to those who do
            not see it.
    """
    return told([worded(caption) for caption in captions], doubt=doubt)


def told(said: Sequence[Said], *, doubt: bool = True) -> str:
    """Join what was said of up to five scenes into one text; see `story`."""
    if len(said) == 1:
        return said[0].text if doubt else said[0].alt_text
    openings = OPENINGS[len(said)]
    both = zip(said, openings, strict=True)
    return joined([one.opened(opening, doubt=doubt) for one, opening in both])
