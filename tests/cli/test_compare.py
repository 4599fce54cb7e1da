"""The page in a real browser, and the video."""

import base64
import json
import re
import shutil
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import vapoursynth as vs
from support.clips import pictures, scene
from support.codecs import encode

from vsvqe.comparison.video import line_at

if not hasattr(vs.core, "bs"):
    pytest.skip("BestSource is not installed", allow_module_level=True)

WIDTH, HEIGHT = 160, 96


def vs_clip(path: Path) -> vs.VideoNode:
    return vs.core.bs.VideoSource(str(path), cachemode=0)


def rgb_of(clip: vs.VideoNode) -> vs.VideoNode:
    """At the size of the largest; standard definition that does not say otherwise is BT.601."""
    matrix = vs.MATRIX_ST170_M
    if clip.width != WIDTH:
        clip = clip.resize.Bicubic(WIDTH, HEIGHT)
    return clip.resize.Bicubic(format=vs.RGB24, matrix_in=matrix)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """An original, what compression made of it, and half of it in size."""
    folder = tmp_path_factory.mktemp("films")
    clip = scene(WIDTH, HEIGHT, 8)
    half = clip.resize.Bicubic(WIDTH // 2, HEIGHT // 2)
    return [
        encode(clip, folder / "original.mkv", ("ffv1", {})),
        encode(clip, folder / "coded.mkv", ("libx264", {"crf": "40", "preset": "veryfast"})),
        encode(half, folder / "half.mkv", ("ffv1", {})),
    ]


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window: one that is installed, or playwright's own."""
    remedy = "pip install playwright, and apt install chromium (or playwright install chromium)"
    driver = pytest.importorskip("playwright.sync_api", reason=remedy)
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge")
    program = next(filter(None, map(shutil.which, names)), None)
    with driver.sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        except driver.Error:
            if program is not None:
                raise
            pytest.skip(remedy)
        yield chromium
        chromium.close()


def test_the_page_needs_nothing_else(here, films, tmp_path):
    out = tmp_path / "page.html"
    labels = ("--label", "<b>one</b>", "--label", "</script>two")
    run = here("compare", *films[:2], "--out", out, "--frames", 3, *labels, "-q")
    assert run.returncode == 0, run.stderr
    text = out.read_text()
    assert not re.search(r"(src|href)=[\"']?(?!data:)|https?://|@import|url\(", text)
    assert text.count("data:image/webp;base64,") == 2 * 3
    assert "<b>one</b>" not in text
    assert text.count("</script>") == 2
    again = here("compare", *films[:2], "--out", out, "-q")
    assert again.returncode == 6
    assert "--overwrite" in again.stderr


def test_the_page_works_from_a_file(here, films, browser, tmp_path):
    out = tmp_path / "page.html"
    run = here("compare", *films, "--out", out, "--frames", 4, "-q")
    assert run.returncode == 0, run.stderr
    page = browser.new_page(viewport={"width": 1000, "height": 700})
    errors, requests = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(out.as_uri())
    page.wait_for_function("picture(0, 0) && picture(1, 0)")

    def seen() -> np.ndarray:
        page.wait_for_timeout(150)
        data = base64.b64decode(page.evaluate("view.toDataURL()").partition(",")[2])
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).astype(int)

    def rgb(number: int, frame: int) -> np.ndarray:
        planes = pictures(rgb_of(vs_clip(films[number]))[frame])[0]
        return np.stack(planes[::-1], axis=-1).astype(int)

    # At 200 % every pixel is two by two, and the slider shows one clip on each of its sides.
    page.locator("#zoom").select_option("2")
    box = page.locator("#view").bounding_box()

    def drag_line(to: float) -> None:
        line = page.evaluate("state.line")
        page.mouse.move(box["x"] + box["width"] * line, box["y"] + box["height"] * 0.9)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * to, box["y"] + box["height"] * 0.9, steps=5)
        page.mouse.up()

    def picture_in(view: np.ndarray) -> np.ndarray:
        x, y = page.evaluate("[Math.round(state.x), Math.round(state.y)]")
        return view[y : y + 2 * HEIGHT : 2, x : x + 2 * WIDTH : 2]

    middle = slice(HEIGHT // 4, HEIGHT // 3)  # above the handle, below the labels
    drag_line(0.95)
    assert abs(picture_in(seen())[middle] - rgb(0, 0)[middle]).mean() < 1
    drag_line(0.02)
    assert abs(picture_in(seen())[middle] - rgb(1, 0)[middle]).mean() < 1
    assert abs(rgb(0, 0)[middle] - rgb(1, 0)[middle]).mean() > 2

    # The scrubber goes to the third of the four pictures; 8 frames: 0, 2, 5, 7.
    page.locator("#frame").fill("2")
    assert "frame 5" in page.locator("#status").inner_text()
    assert abs(picture_in(seen())[middle] - rgb(1, 5)[middle]).mean() < 1
    page.locator("#right").select_option("2")
    assert abs(picture_in(seen())[middle] - rgb(2, 5)[middle]).mean() < 1
    assert "bicubic" in page.locator("#right").inner_text()

    # Flicker shows one, then the other.
    page.locator("input[value=flicker]").check()
    found = set()
    for _ in range(14):
        shown = picture_in(seen())[middle]
        found |= {n for n in (0, 2) if abs(shown - rgb(n, 5)[middle]).mean() < 1}
    assert found == {0, 2}

    # Two equal clips have a black difference, two others have not.
    page.locator("input[value=difference]").check()
    assert picture_in(seen())[middle].max() > 100
    page.locator("#right").select_option("0")
    assert picture_in(seen())[middle].max() == 0

    # A plot takes to its frame; its last frame is number 7.
    plot = page.locator("#plots canvas").first.bounding_box()
    page.mouse.click(plot["x"] + plot["width"] - 6, plot["y"] + 40)
    assert "frame 7" in page.locator("#status").inner_text()
    page.locator("input[value=side]").check()
    page.locator("#zoom").select_option("16")
    view = seen()
    assert view.std() > 5
    assert not errors
    assert requests == [out.as_uri()]
    page.close()


def test_traditional_methods_are_shown_too(here, films, tmp_path):
    out = tmp_path / "page.html"
    methods = ("--traditional", "unsharp:0.5", "--traditional", "bilinear")
    run = here("compare", films[0], films[2], *methods, "--out", out, "--frames", 1, "-q")
    assert run.returncode == 0, run.stderr
    data = json.loads(re.search(r'id="data"[^>]*>(.*?)</script>', out.read_text(), re.S)[1])
    assert data["labels"] == [
        "original (160x96, bicubic)",
        "half (80x48, bicubic)",
        "original, unsharp 0.5 (160x96, bicubic)",
        "original, bilinear",
    ]
    got = cv2.imdecode(
        np.frombuffer(base64.b64decode(data["images"][3][0].partition(",")[2]), np.uint8),
        cv2.IMREAD_COLOR,
    )
    frame = vs_clip(films[0]).resize.Bilinear(2 * WIDTH, 2 * HEIGHT)
    wanted = frame.resize.Bicubic(format=vs.RGB24, matrix_in=vs.MATRIX_ST170_M)
    assert (got == np.stack(pictures(wanted[0])[0][::-1], axis=-1)).all()


def test_the_line_of_the_video_goes_there_and_back():
    assert line_at(0.5, 4, 1) == 1.0
    assert line_at(3.0, 4, 1) == pytest.approx(0.5)
    assert line_at(5.5, 4, 1) == 0.0
    assert line_at(8.0, 4, 1) == pytest.approx(0.5)
    places = [line_at(n / 25, 4, 1) for n in range(500)]
    assert max(abs(a - b) for a, b in pairwise(places)) < 0.02


def test_the_video_wipes_from_one_clip_to_the_other(here, films, tmp_path):
    out = tmp_path / "wipe.mp4"
    run = here(
        *("compare", films[0], films[2], "--video", "--out", out, "--sweep", 0.4, "--pause", 0.1),
        *("--crf", 1, "-q"),
    )
    assert run.returncode == 0, run.stderr
    # The index is in front: it plays while it is fetched.
    assert out.read_bytes().index(b"moov") < out.read_bytes().index(b"mdat")
    video = vs_clip(out).resize.Bicubic(format=vs.RGB24)
    got = [np.stack(planes, axis=-1).astype(int) for planes in pictures(video)]
    # One period is a second: the clips of eight frames are repeated until then.
    assert len(got) == 24
    assert got[0].shape == (HEIGHT, WIDTH, 3)
    one, two = (
        [np.stack(p, axis=-1).astype(int) for p in pictures(rgb_of(vs_clip(path)))]
        for path in (films[0], films[2])
    )
    below = slice(HEIGHT // 2, None)
    assert abs(got[0][below] - one[0][below]).mean() < 3
    # Frame 13 is at 0.54 s, in the pause at the left edge.
    assert abs(got[13][below, 4:] - two[13 % 8][below, 4:]).mean() < 3
    bright = (got[7][below] > 240).all(axis=(0, 2))
    line = line_at(7 * 1001 / 24000, 0.4, 0.1) * WIDTH
    assert abs(np.flatnonzero(bright).mean() - line) < 3


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("{0}",), 2, "two clips at least"),
        (("{0}", "--traditional", "blur"), 2, "--traditional blur is not known"),
        (("{0}", "--traditional", "unsharp:-1"), 4, "must be at least 0"),
        (("{0}", "{1}", "--traditional", "unsharp", "--video"), 2, "compares two clips"),
        (("{0}", "{1}", "{2}", "--video"), 2, "compares two clips"),
        (("{0}", "missing.mkv"), 3, "there is no file missing.mkv"),
    ],
)
def test_mistakes(here, films, tmp_path, monkeypatch, arguments, code, told):
    monkeypatch.chdir(tmp_path)
    run = here("compare", *(word.format(*films) for word in arguments))
    assert run.returncode == code
    assert told in " ".join(run.stderr.replace("│", " ").split())
