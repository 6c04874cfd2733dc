"""Every sentence of the web chat's page, together with those of the bot that it shows.

The page's HTML holds them as `$name`. Its scripts get all of them, and fill in values in braces.
"""

from bot.about import About
from bot.languages import Sentence, translated
from bot.replies import Replies
from bot.web.refusals import Refusals
from captioner.translation import N_


def sentences() -> dict[str, str]:
    """Return the sentences in the language that is spoken now, by their names."""
    return {name: translated(sentence) for name, sentence in SENTENCES.items()}


def _english(name: str, where: type = Replies) -> str:
    sentence = vars(where)[name]
    assert isinstance(sentence, Sentence)
    return sentence.english


SENTENCES = {
    "title": N_("Photo captioner"),
    "app_name": N_("Captioner"),  # under its icon: at most 12 letters
    "hint": _english("HINT"),
    "clear": N_("Clear"),
    "about_title": N_("About"),
    "language": N_("Language"),
    "welcome": N_("Drop a photo or a short video here, paste one, or choose one"),
    "welcome_touch": N_("Choose a photo or a short video, or take a photo"),
    "good_at": _english("GOOD_AT", About),
    "weak_at": _english("WEAK_AT", About),
    "errs": _english("ERRS", About),
    "examples": N_("Try an example"),
    "example_oath": N_("People who raise their right hands"),
    "example_bird": N_("A small bird on a rock"),
    "example_photographer": N_("A man with a camera on a tripod"),
    "welcome_privacy": N_(
        "Only this program gets your file: it writes a caption, then forgets the file. Your "
        "browser keeps the last 20 for you, until you press Clear."
    ),
    "skip": N_("Skip to sending photos and videos"),
    "thread": N_("Photos, videos and captions"),
    "needs_javascript": N_("This page needs JavaScript."),
    "send_photos": N_("Send photos and videos"),
    "choose": N_("Choose files"),
    "choose_folder": N_("Choose a folder"),
    "take": N_("Take a photo"),
    "or_drop": N_("or drop or paste them anywhere on this page"),
    "photos": N_("Photos and videos"),
    "new_photo": N_("A new photo"),
    "folder": N_("Folder"),
    "drop": N_("Drop to send"),
    "not_an_address": N_("I take files, not addresses: save the file, then send it."),
    "not_photos": N_("Other files were left out: {number}."),
    "no_photos": N_("There are no photos or videos in this folder."),
    "first_of_folder": N_("The folder has more photos and videos. I took the first {number}."),
    "making_smaller": N_("Your browser is making the photo smaller…"),
    "made_smaller": N_(
        "I take photos of at most {megabytes} MB and {million} million pixels. Your browser made "
        "larger ones smaller."
    ),
    "share_missed": N_("I did not get what you shared. Please choose it here."),
    "camera_picture": N_("What the camera shows"),
    "camera_take": N_("Take"),
    "camera_use": N_("Use this photo"),
    "camera_again": N_("Take another"),
    "cancel": N_("Cancel"),
    "no_camera": N_("I found no camera."),
    "camera_forbidden": N_(
        "This page may not use the camera. Allow it in the browser's settings for this page."
    ),
    "camera_busy": N_("The camera did not start. Another program may be using it."),
    "install": N_("Install as an app"),
    "privacy_title": N_("Privacy"),
    "kept": N_(
        "This page keeps the last 20 photos and videos, with their captions, in your browser, so "
        "that they are still here after a reload. Clear removes them."
    ),
    "language_kept": N_("A cookie in your browser remembers the language that you choose here."),
    "details": N_("Technical details"),
    "close": N_("Close"),
    "token_title": N_("Token needed"),
    "needs_token": _english("NEEDS_TOKEN", Refusals),
    "token_kept": N_(
        "Your browser keeps it until you close the tab. Your file is sent once you continue."
    ),
    "token": N_("Token"),
    "token_send": N_("Continue"),
    "token_later": N_("Not now"),
    "no_preview": N_("This browser cannot show a preview of it."),
    "caption_of": N_("Caption of {name}"),
    "another": _english("ANOTHER"),
    "look": _english("LOOK"),
    "copy": N_("Copy"),
    "read_aloud": N_("Read aloud"),
    "stop": N_("Stop"),
    "more": N_("More"),
    "copy_doubt": N_("Copy with doubt"),
    "copy_html": N_("Copy as HTML"),
    "copy_markdown": N_("Copy as Markdown"),
    "edit": N_("Edit"),
    "undo_edit": N_("Undo edit"),
    "share": N_("Share"),
    "retry": N_("Retry"),
    "retry_all": N_("Retry all"),
    "save": N_("Save"),
    "edited": N_("edited"),
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
    "unreachable": N_("I cannot be reached right now. This page keeps trying."),
    "unreached": N_("I cannot be reached right now. This page shows what your browser has kept."),
    "too_large": _english("TOO_LARGE"),
    "try_later": N_("I cannot be reached right now. Please try again later."),
    "reachable": N_("I can be reached again."),
    "not_arrived": N_("I can be reached, but this file did not arrive."),
    "is_it_good": N_("Is this caption good?"),
    "good_caption": N_("Good caption"),
    "bad_caption": N_("Bad caption"),
    "what_is_right": N_("What would be right?"),
    "send_correction": N_("Send this correction?"),
    "send": N_("Send"),
    "no_correction": N_("No, thanks"),
    "thanks": N_("Thank you."),
    "feedback_kept": N_(
        "I keep what you say on the machine of whoever runs me, with the caption and a fingerprint "
        "of the photo, never the photo."
    ),
    "feedback_about": N_(
        "If you press a thumb under a caption, I keep whether it was up or down, on the machine "
        "of whoever runs me, with the caption, its language, your correction, the time, and a "
        "fingerprint of the photo, by which only those who have the photo can recognize it. I "
        "keep neither the photo nor who you are. If you press the thumb again, I forget what you "
        "said."
    ),
    "unreadable": N_("This file cannot be read. It may be a folder, or it was moved."),
    "cleared": N_("Everything is removed."),
    "removed": N_("“{name}” is removed."),
    "undo": N_("Undo"),
    "undoable": N_("You can undo this."),
    "all_back": N_("Everything is back."),
    "back": N_("“{name}” is back."),
    "photo": N_("Photo"),
    "video": N_("Video"),
    "photo_heading": N_("Photo {number}: {name}"),
    "video_heading": N_("Video {number}: {name}"),
    "video_announced": N_("Video {number} of {total}, {name}: {text}"),
    "photo_announced": N_("Photo {number} of {total}, {name}: {text}"),
    "remove": N_("Remove photo {number}, {name}"),
    "remove_video": N_("Remove video {number}, {name}"),
    "enlarge": N_("Enlarge photo {number}, {name}"),
    "progress": N_("{done} of {total} done"),
    "progress_failed": N_("{done} of {total} done, {failed} without a caption"),
    "your_photo": N_("Your photo {name}"),
    "your_video": N_("Your video {name}"),
    "scenes": N_("Scenes"),
    "waiting": N_("Waiting for its turn…"),
    "working": N_("Looking…"),
    "working_video": N_("Watching… A video takes longer than a photo."),
    "working_again": N_("Looking again…"),
    "page_failed": N_("This page failed: {error}"),
    "countdown": N_("Trying again in {seconds} s."),
    "copied": N_("Copied: “{text}”"),
    "not_copied": N_("This browser did not let me copy: “{text}”"),
    "not_shared": N_("This browser did not let me share: “{text}”"),
    "no_voice": N_("This device has no voice for {language}."),
    "not_read": N_("This browser could not read it aloud."),
    "edit_saved": N_("Saved: “{text}”"),
    "edit_undone": N_("My caption is back: “{text}”"),
    "empty_edit": N_("A caption cannot be empty. Mine is back: “{text}”"),
    "download": N_("Download captions"),
    "download_csv": N_("For spreadsheets (CSV)"),
    "download_json": N_("For programs (JSON)"),
    "download_vtt": N_("Download subtitles (WebVTT)"),
    "download_html": N_("As a page with the pictures (HTML)"),
    "downloaded": N_("Saved as {file}."),
    "word": N_("“{word}”: {likely} likely"),
    "word_at": N_("“{word}”: {likely} likely, looking at {place}"),
    "guessed_word": N_("“{word}”"),
    "guessed_word_at": N_("“{word}”: looking at {place}"),
    "word_button": N_("{word} {likely} likely"),
    "word_button_at": N_("{word}, {likely} likely, looking at {place}"),
    "guessed_word_button_at": N_("{word}, looking at {place}"),
    "looked_for": N_("The picture, bright where I looked for “{word}”"),
    "under": N_("under {percent}"),
    "everywhere": N_("all over the picture"),
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
