"""Every sentence of the web chat's page, together with those of `replies` that it shows.

The page's HTML holds them as `$name`. Its scripts get all of them, and fill in values in braces.
"""

from bot.languages import Sentence, translated
from bot.replies import Replies
from captioner.translation import N_


def sentences() -> dict[str, str]:
    """Return the sentences in the language that is spoken now, by their names."""
    return {name: translated(sentence) for name, sentence in SENTENCES.items()}


def _english(name: str) -> str:
    sentence = vars(Replies)[name]
    assert isinstance(sentence, Sentence)
    return sentence.english


SENTENCES = {
    "title": N_("Photo captioner"),
    "hint": _english("HINT"),
    "clear": N_("Clear"),
    "about_title": N_("About"),
    "language": N_("Language"),
    "welcome": N_("Drop a photo here, paste one, or choose one"),
    "welcome_privacy": N_(
        "Only this program gets your photo; it writes a caption and forgets the photo. Your "
        "browser keeps the last 20 for you, until you press Clear."
    ),
    "thread": N_("Photos and captions"),
    "needs_javascript": N_("This page needs JavaScript."),
    "send_photos": N_("Send photos"),
    "choose": N_("Choose photos"),
    "take": N_("Take a photo"),
    "or_drop": N_("or drop or paste them anywhere on this page"),
    "photos": N_("Photos"),
    "new_photo": N_("A new photo"),
    "drop": N_("Drop to send"),
    "privacy_title": N_("Privacy"),
    "kept": N_(
        "This page keeps the last 20 photos and their captions in your browser, so that they are "
        "still here after a reload. Clear removes them."
    ),
    "language_kept": N_("A cookie in your browser remembers the language that you choose here."),
    "close": N_("Close"),
    "token_title": N_("Token needed"),
    "needs_token": _english("NEEDS_TOKEN"),
    "token_kept": N_(
        "Your browser keeps it until you close the tab. Your photo is sent once you continue."
    ),
    "token": N_("Token"),
    "token_send": N_("Continue"),
    "token_later": N_("Not now"),
    "no_preview": N_("This browser cannot show a preview of it."),
    "this_caption": N_("This caption"),
    "another": _english("ANOTHER"),
    "look": _english("LOOK"),
    "alt_text": _english("ALT_TEXT"),
    "copy": N_("Copy"),
    "retry": N_("Retry"),
    "where_looked": N_("Where I looked"),
    "no_attention": _english("NO_ATTENTION"),
    "words": N_("The caption, word by word: use the arrow keys"),
    "considered": N_("Captions that I considered"),
    "considered_surely": N_("Captions that I considered, and how sure I am of each"),
    "unsaid": _english("LOOKED_UNSAID"),
    "nothing_else": _english("NOTHING_ELSE"),
    "chosen": N_("chosen"),
    "play": N_("Play"),
    "pause": N_("Pause"),
    "is_it_good": N_("Is this caption good?"),
    "good_caption": N_("Good caption"),
    "bad_caption": N_("Bad caption"),
    "what_is_right": N_("What would be right?"),
    "send_correction": N_("Send this correction?"),
    "send": N_("Send"),
    "no_correction": N_("Skip"),
    "thanks": N_("Thank you."),
    "feedback_kept": N_(
        "I keep what you say on the machine of whoever runs me, with the caption and a fingerprint "
        "of the photo, never the photo."
    ),
    "feedback_about": N_(
        "If you press a thumb under a caption, I keep which one on the machine of whoever runs "
        "me, with the caption, its language, your correction, the time, and a fingerprint of the "
        "photo, by which only those who have the photo can recognize it. I keep neither the photo "
        "nor who you are. If you press the thumb again, I forget what you said."
    ),
    "unreachable": N_("I cannot be reached right now. Check that the program is still running."),
    "unreadable": N_("This file cannot be read. It may be a folder, or it was moved."),
    "cleared": N_("The thread is empty."),
    "photo": N_("Photo"),
    "your_photo": N_("Your photo {name}"),
    "waiting": N_("Waiting for its turn…"),
    "working": N_("Looking…"),
    "working_again": N_("Looking again…"),
    "page_failed": N_("This page failed: {error}"),
    "countdown": N_("Trying again in {seconds} s."),
    "alt_text_copied": N_("Alt text copied: “{text}”"),
    "copied": N_("Copied: “{text}”"),
    "not_copied": N_("This browser did not let me copy: “{text}”"),
    "word": N_("“{word}”: {likely} likely"),
    "word_at": N_("“{word}”: {likely} likely, looking at {place}"),
    "guessed_word": N_("“{word}”"),
    "guessed_word_at": N_("“{word}”: looking at {place}"),
    "word_button": N_("{word} {likely} likely"),
    "looked_for": N_("The photo, bright where I looked for “{word}”"),
    "under": N_("under {percent}"),
    "everywhere": N_("all over the photo"),
    "upper_left": N_("the upper left"),
    "upper_middle": N_("the upper middle"),
    "upper_right": N_("the upper right"),
    "middle_left": N_("the left"),
    "middle_middle": N_("the middle"),
    "middle_right": N_("the right"),
    "lower_left": N_("the lower left"),
    "lower_middle": N_("the lower middle"),
    "lower_right": N_("the lower right"),
}
