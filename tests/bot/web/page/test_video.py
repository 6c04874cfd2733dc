"""Videos and animations on the page of the web chat, in Chromium: player, story, scenes, subtitles.

SCREENSHOTS=/tmp/page pytest tests/bot/web/page/test_video.py    # also a picture of every state
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, FilePayload, Page, expect

from bot.replies import replies
from bot.web.sentences import SENTENCES
from captioner import Options, VideoCaption
from captioner.video.kinds import BOXES, PICTURES, is_video
from captioner.video.result import Scene
from tests.bot.web.browser import IN_CHROMIUM, choose, heard, listen, opened, photo, reload, shot
from tests.bot.web.browser import sentence as caption
from tests.bot.web.server import PHOTO
from tests.bot.web.stories import animation, video_file
from tests.pictures import LEFT, RIGHT

pytestmark = IN_CHROMIUM

DOG = caption("A dog runs along a beach.", 0.6)
BALL = caption("Two people throw a ball <high>.", 0.2)
STORY = VideoCaption(
    (Scene(0.0, 1.0, 0.25, DOG), Scene(1.0, 1.5, 1.25, BALL), Scene(1.5, 2.0, 0.25, DOG, 0)),
    2.0,
    2.0,
)
TEXT = "First a dog runs along a beach. Then two people throw a ball <high>. (Not sure.)"
PLAIN = "First a dog runs along a beach. Then two people throw a ball <high>."
WEBVTT = """WEBVTT

00:00:00.000 --> 00:00:01.000
A dog runs along a beach.

00:00:01.000 --> 00:00:01.500
Two people throw a ball &lt;high&gt;. (Not sure.)

00:00:01.500 --> 00:00:02.000
A dog runs along a beach.
"""
NOW = "document.querySelector('.player').currentTime"


async def tells(video: bytes, options: Options) -> VideoCaption:
    return STORY


def clip(name: str = "clip.webm", kind: str = "video/webm") -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": video_file()}


def gif() -> FilePayload:
    return {"name": "waves.gif", "mimeType": "image/gif", "buffer": animation(LEFT, RIGHT)}


async def item(page: Page, name: str) -> None:
    await page.locator(".more").click()
    await page.get_by_role("menuitem", name=name, exact=True).click()


async def saved(page: Page, item_name: str, opener: str = ".more") -> tuple[str, str]:
    """Return the name and the text of a file that a menu's item saves."""
    await page.locator(opener).click()
    async with page.expect_download() as download:
        await page.get_by_role("menuitem", name=item_name, exact=True).click()
    file = await download.value
    return file.suggested_filename, Path(await file.path()).read_text("utf-8")


async def test_a_doubtful_scene_and_how_far_a_video_was_looked_at_are_both_said(
    browser: Browser,
) -> None:
    async def tells_part(video: bytes, options: Options) -> VideoCaption:
        return VideoCaption((Scene(0.0, 120.0, 0.25, BALL),), 120.0, 300.0)

    limit = "This covers the video only up to 2:00."
    async with opened(browser, caption_video=tells_part) as page:
        await choose(page, clip())
        await expect(page.locator(".said")).to_have_text(f"{BALL.text} {limit} Not sure")
        await expect(page.locator(".doubt.marked")).to_have_text("Not sure")


async def test_a_video_has_a_player_its_story_and_its_scenes(browser: Browser) -> None:
    async with opened(browser, caption_video=tells) as page:
        await choose(page, clip())
        await expect(page.locator(".said")).to_have_text(TEXT)
        await expect(page.locator(".entry h2")).to_have_text("Video 1: clip.webm")
        player = page.locator(".player")
        await expect(player).to_be_visible()
        await expect(player).to_have_accessible_name("Your video clip.webm")
        await expect(player).to_have_accessible_description(TEXT)
        for hidden in (".sent img", ".enlarge", ".another", ".no-preview"):
            await expect(page.locator(hidden)).to_be_hidden()
        state: dict[str, Any] = await player.evaluate(
            """async (player) => {
              while (player.readyState < 1 || !player.textTracks[0]?.cues?.length) {
                await new Promise((resolve) => setTimeout(resolve, 20));
              }
              const { muted, paused, autoplay, controls, textTracks } = player;
              const { kind, language, mode, cues } = textTracks[0];
              const texts = [...cues].map((cue) => cue.getCueAsHTML().textContent);
              return { muted, paused, autoplay, controls, kind, language, mode, texts };
            }"""
        )
        assert state == {
            "muted": True,
            "paused": True,
            "autoplay": False,
            "controls": True,
            "kind": "captions",
            "language": "en",
            "mode": "showing",
            "texts": [DOG.text, f"{BALL.text} (Not sure.)", DOG.text],
        }
        scenes = page.get_by_role("list", name=SENTENCES["scenes"]).get_by_role("button")
        await expect(scenes).to_have_text(
            [f"0:00 {DOG.text}", f"0:01 {BALL.text} (Not sure.)", f"0:01 {DOG.text}"]
        )
        await expect(page.locator(".scenes [aria-current]")).to_have_count(0)
        await scenes.nth(1).click()
        await expect(scenes.nth(1)).to_have_attribute("aria-current", "true")
        assert await page.evaluate(NOW) == pytest.approx(1.01, abs=0.01)
        await scenes.nth(2).focus()
        await page.keyboard.press("Enter")
        await expect(scenes.nth(2)).to_have_attribute("aria-current", "true")
        await expect(page.locator(".scenes [aria-current]")).to_have_count(1)
        assert await page.evaluate(NOW) == pytest.approx(1.51, abs=0.01)
        await shot(page, "video")


async def test_what_one_does_with_a_caption_one_does_with_a_story(browser: Browser) -> None:
    async with opened(browser, caption_video=tells) as page:
        await choose(page, clip("a clip.webm"))
        await expect(page.locator(".said")).to_have_text(TEXT)
        copied = "navigator.clipboard.readText()"
        await page.locator(".copy").click()
        await expect(page.locator(".note")).to_contain_text(PLAIN)
        assert await page.evaluate(copied) == PLAIN
        for name, copy in (
            ("copy_doubt", TEXT),
            (
                "copy_html",
                '<video src="a%20clip.webm" controls aria-label="First a dog runs along a beach. '
                'Then two people throw a ball &lt;high&gt;."></video>',
            ),
            (
                "copy_markdown",
                "[First a dog runs along a beach. Then two people throw a ball \\<high\\>.]"
                "(a%20clip.webm)",
            ),
        ):
            await item(page, SENTENCES[name])
            await expect(page.locator(".note")).to_have_text(f"Copied: “{copy}”")
            assert await page.evaluate(copied) == copy
        assert await saved(page, SENTENCES["download_vtt"]) == ("a clip.vtt", WEBVTT)
        opener = "#downloads > button"
        _, table = await saved(page, SENTENCES["download_csv"], opener)
        assert f'"a clip.webm","{TEXT}","{PLAIN}",0.2,""' in table
        _, records = await saved(page, SENTENCES["download_json"], opener)
        (record,) = json.loads(records)
        assert (record["alt_text"], len(record["scenes"])) == (PLAIN, 3)
        _, album = await saved(page, SENTENCES["download_html"], opener)
        assert 'src="data:image/jpeg;base64,' in album
        await item(page, SENTENCES["edit"])
        await page.locator(".edit-form textarea").fill("A dog, and then a ball.")
        await page.keyboard.press("Enter")
        await reload(page)
        await expect(page.locator(".said")).to_contain_text("A dog, and then a ball.")
        await expect(page.locator(".player")).to_be_visible()
        await expect(page.locator(".scenes button")).to_have_count(3)


async def test_the_frames_of_a_story_show_where_the_model_looked(browser: Browser) -> None:
    async with opened(browser, caption_video=tells) as page:
        await choose(page, clip())
        await page.locator(".look").click()
        frames = page.get_by_role("group", name=SENTENCES["scenes"]).get_by_role("button")
        await expect(frames).to_have_count(2)
        await expect(frames.first).to_have_accessible_name(f"{DOG.text} 0:00")
        await expect(frames.first).to_have_attribute("aria-pressed", "true")
        words = page.locator(".glass .word")
        await expect(words.first).to_have_text("A")
        corner = """canvas => [...canvas.getContext("2d").getImageData(
            canvas.width - 4, 4, 1, 1).data]"""
        heat = page.locator(".glass .heat")
        red, _, blue, _ = await heat.evaluate(corner)
        assert red > blue
        await frames.last.click()
        await expect(words.first).to_have_text("Two")
        await expect(frames.first).to_have_attribute("aria-pressed", "false")
        red, _, blue, _ = await heat.evaluate(corner)
        assert blue > red
        await expect(page.locator(".player")).to_be_visible()
        await shot(page, "video-looked")
        await page.keyboard.press("Escape")
        await expect(page.locator(".glass")).to_be_hidden()
        await expect(page.locator(".look")).to_be_focused()


async def test_an_animation_stays_a_picture_and_its_scenes_are_read(browser: Browser) -> None:
    async with opened(browser, caption_video=tells) as page:
        await choose(page, gif())
        await expect(page.locator(".said")).to_have_text(TEXT)
        await expect(page.locator(".sent img")).to_be_visible()
        await expect(page.locator(".sent img")).to_have_attribute("alt", PLAIN)
        await expect(page.locator(".player")).to_be_hidden()
        await expect(page.locator(".scenes li")).to_have_count(3)
        await expect(page.locator(".scenes button")).to_have_count(0)
        await expect(page.locator(".another")).to_be_hidden()
        await expect(page.locator(".look")).to_be_hidden()
        await shot(page, "animation")


async def test_a_video_that_the_browser_cannot_play_has_a_story_too(browser: Browser) -> None:
    broken = clip("clip.mkv", "")
    broken["buffer"] = video_file()[:4] + bytes(100)
    async with opened(browser, caption_video=tells) as page:
        await choose(page, broken)
        await expect(page.locator(".said")).to_have_text(TEXT)
        await expect(page.locator(".no-preview")).to_contain_text("clip.mkv")
        await expect(page.locator(".player")).to_be_hidden()
        await expect(page.locator(".scenes li")).to_have_count(3)
        await expect(page.locator(".scenes button")).to_have_count(0)


async def test_a_video_of_one_scene_is_worded_as_a_photo(browser: Browser) -> None:
    async def one(video: bytes, options: Options) -> VideoCaption:
        return replace(STORY, scenes=(Scene(0.0, 2.0, 0.25, BALL),))

    async with opened(browser, caption_video=one) as page:
        await choose(page, clip(), photo(1))
        await expect(page.locator(".said").first).to_have_text(f"{BALL.text} Not sure")
        await expect(page.locator(".scenes").first).to_be_hidden()
        await expect(page.locator(".another").first).to_be_hidden()
        await expect(page.locator(".another").last).to_be_visible()


# The browser would log the server's status 413.
async def test_a_video_that_is_too_large_is_refused_before_it_is_sent(browser: Browser) -> None:
    fits, large = clip("fits.webm"), clip("large.webm")
    fits["buffer"] += bytes(2**21 - len(fits["buffer"]))
    large["buffer"] += bytes(2**21 + 1 - len(large["buffer"]))
    async with opened(browser, caption_video=tells, max_photo_mb=1, max_video_mb=2) as page:
        await choose(page, fits, large)
        said = page.locator(".said")
        await expect(said).to_have_text([TEXT, replies.too_large(2)])
        await expect(page.locator(".player").last).to_be_visible()
        await expect(page.locator(".retry").last).to_be_hidden()
        await expect(page.locator("#intake-note")).to_be_hidden()


# What most services call a GIF is H.264 in MP4; every Chromium plays this WebM.
@pytest.mark.parametrize(
    ("name", "kind"), [("waves.gif", "image/gif"), ("waves.jpg", "image/jpeg"), ("waves", "")]
)
async def test_a_video_is_known_by_its_bytes_whatever_it_is_called(
    browser: Browser, name: str, kind: str
) -> None:
    async with opened(browser, caption_video=tells) as page:
        await choose(page, clip(name, kind))
        await expect(page.locator(".said")).to_have_text(TEXT)
        await expect(page.locator(".entry h2")).to_have_text(f"Video 1: {name}")
        await expect(page.locator(".player")).to_be_visible()
        await expect(page.locator(".sent img")).to_be_hidden()
        scenes = page.locator(".scenes button")
        await expect(scenes).to_have_count(3)
        await scenes.nth(1).click()
        await expect(scenes.nth(1)).to_have_attribute("aria-current", "true")
        await page.locator(".look").click()
        await expect(page.locator(".strip img")).to_have_count(2)
        _, album = await saved(page, SENTENCES["download_html"], "#downloads > button")
        assert 'src="data:image/jpeg;base64,' in album
        await reload(page)
        await expect(page.locator(".player")).to_be_visible()
        await expect(page.locator(".entry h2")).to_have_text(f"Video 1: {name}")


async def test_a_picture_that_is_called_a_video_is_a_picture(browser: Browser) -> None:
    moving, still = gif(), photo(1)
    moving |= {"name": "waves.mp4", "mimeType": "video/mp4"}
    still |= {"name": "photo.mov", "mimeType": "video/quicktime"}
    async with opened(browser, caption_video=tells) as page:
        await choose(page, moving, still)
        await expect(page.locator(".entry h2")).to_have_text(
            ["Photo 1: waves.mp4", "Photo 2: photo.mov"]
        )
        await expect(page.locator(".sent img:visible")).to_have_count(2)
        await expect(page.locator(".player:visible")).to_have_count(0)
        await expect(page.locator(".scenes").first.locator("li")).to_have_count(3)
        _, album = await saved(page, SENTENCES["download_html"], "#downloads > button")
        assert album.count('src="data:image/jpeg;base64,') == 2


async def test_the_page_tells_videos_from_pictures_as_the_captioner_does(browser: Browser) -> None:
    heads = [
        b"",
        b"GIF89a",
        b"\x1aE\xdf\xa3",
        b"\x1aE\xdf",
        PHOTO,
        animation(LEFT, RIGHT),
        video_file(),
        video_file("mp4", "libx264"),
        b"\0\0\0\x08wide\0\0\0\0mdat",
        b"\0\0\0\x18ftyp",
        *(b"\0\0\0\x18" + box + b"isom" for box in (*sorted(BOXES), b"xxxx")),
        *(
            b"\0\0\0\x18" + box + brand
            for box in (b"ftyp", b"moov")
            for brand in (*PICTURES, b"avis")
        ),
    ]
    async with opened(browser) as page:
        found = await page.evaluate(
            """async (heads) => {
              const { isVideo } = await import("/static/kinds.js");
              return Promise.all(heads.map((head) => isVideo(new Blob([new Uint8Array(head)]))));
            }""",
            [list(head) for head in heads],
        )
    assert found == [is_video(head) for head in heads]


async def test_typescript_among_photos_is_left_out_and_videos_are_not(browser: Browser) -> None:
    code: FilePayload = {"name": "page.ts", "mimeType": "video/mp2t", "buffer": b"let a = 1;"}
    async with opened(browser, caption_video=tells) as page:
        await choose(page, clip("a.3g2", "application/x-unheard-of"), code, photo(1))
        await expect(page.locator(".entry")).to_have_count(2)
        await expect(page.locator("#intake-note")).to_contain_text("1")


async def test_a_story_is_awaited_and_announced(browser: Browser) -> None:
    async with opened(browser, caption_video=tells) as page:
        await listen(page)
        await choose(page, clip())
        await expect(page.locator(".doing")).to_have_text(SENTENCES["working_video"])
        await expect(page.locator(".said")).to_have_text(TEXT)
        await expect(page.locator("#status")).to_contain_text("Video 1 of 1, clip.webm: First")
        assert await heard(page)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("video-dark", {"scheme": "dark"}),
        ("video-phone", {"viewport": (360, 740), "phone": True}),
        ("video-narrow", {"viewport": (320, 640)}),
        ("video-arabic", {"query": "/?language=ar", "viewport": (700, 800)}),
        ("video-forced", {}),
    ],
)
async def test_a_video_fits_every_window(
    browser: Browser, name: str, options: dict[str, Any]
) -> None:
    async with opened(browser, caption_video=tells, **options) as page:
        if name == "video-forced":
            await page.emulate_media(forced_colors="active")
        await choose(page, clip())
        await expect(page.locator(".scenes button")).to_have_count(3)
        await page.locator(".scenes button").nth(1).click()
        await expect(page.locator(".scenes [aria-current]")).to_have_count(1)
        await shot(page, name)
        await page.emulate_media(forced_colors="none")
