"""Every sentence of the web chat's page, together with those of `replies` that it shows.

The page's HTML holds them as `$name`. Its scripts get all of them, and fill in values in braces.
"""

from bot import replies

SENTENCES = {
    "title": "Photo captioner",
    "hint": replies.HINT,
    "clear": "Clear",
    "about_title": "About",
    "welcome": "Drop a photo here, paste one, or choose one",
    "welcome_privacy": (
        "Only this program gets your photo; it writes a caption and forgets the photo. Your "
        "browser keeps the last 20 for you, until you press Clear."
    ),
    "thread": "Photos and captions",
    "needs_javascript": "This page needs JavaScript.",
    "send_photos": "Send photos",
    "choose": "Choose photos",
    "take": "Take a photo",
    "or_drop": "or drop or paste them anywhere on this page",
    "photos": "Photos",
    "new_photo": "A new photo",
    "drop": "Drop to send",
    "privacy_title": "Privacy",
    "kept": (
        "This page keeps the last 20 photos and their captions in your browser, so that they are "
        "still here after a reload. Clear removes them."
    ),
    "close": "Close",
    "token_title": "Token needed",
    "needs_token": replies.NEEDS_TOKEN,
    "token_kept": (
        "Your browser keeps it until you close the tab. Your photo is sent once you continue."
    ),
    "token": "Token",
    "token_send": "Continue",
    "token_later": "Not now",
    "no_preview": "This browser cannot show a preview of it.",
    "this_caption": "This caption",
    "another": replies.ANOTHER,
    "look": replies.LOOK,
    "alt_text": replies.ALT_TEXT,
    "copy": "Copy",
    "retry": "Retry",
    "where_looked": "Where I looked",
    "no_attention": replies.NO_ATTENTION,
    "words": "The caption, word by word: use the arrow keys",
    "considered": "Captions that I considered",
    "considered_surely": "Captions that I considered, and how sure I am of each",
    "unsaid": replies.LOOKED_UNSAID,
    "nothing_else": replies.NOTHING_ELSE,
    "chosen": "chosen",
    "play": "Play",
    "pause": "Pause",
    "unreachable": "I cannot be reached right now. Check that the program is still running.",
    "unreadable": "This file cannot be read. It may be a folder, or it was moved.",
    "cleared": "The thread is empty.",
    "photo": "Photo",
    "your_photo": "Your photo {name}",
    "waiting": "Waiting for its turn…",
    "working": "Looking…",
    "working_again": "Looking again…",
    "page_failed": "This page failed: {error}",
    "countdown": "Trying again in {seconds} s.",
    "alt_text_copied": "Alt text copied: “{text}”",
    "copied": "Copied: “{text}”",
    "not_copied": "This browser did not let me copy: “{text}”",
    "word": "“{word}”: {likely} likely",
    "word_at": "“{word}”: {likely} likely, looking at {place}",
    "guessed_word": "“{word}”",
    "guessed_word_at": "“{word}”: looking at {place}",
    "word_button": "{word} {likely} likely",
    "looked_for": "The photo, bright where I looked for “{word}”",
    "percent": "{percent} %",
    "under_one_percent": "under 1 %",
    "everywhere": "all over the photo",
    "upper_left": "the upper left",
    "upper_middle": "the upper middle",
    "upper_right": "the upper right",
    "middle_left": "the left",
    "middle_middle": "the middle",
    "middle_right": "the right",
    "lower_left": "the lower left",
    "lower_middle": "the lower middle",
    "lower_right": "the lower right",
}
