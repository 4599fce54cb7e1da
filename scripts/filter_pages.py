"""Fills the pages of the filters in `docs`.

`pictures` draws what the filters make of the clip that `scripts/demo.py` draws; `figures` fills the
tables of Deblock and SuperRes from `docs/evaluation.csv`, which `scripts/evaluate.py` has measured.
Needs `pip install ".[evaluate]"`.

Examples:
    python scripts/filter_pages.py pictures
    python scripts/filter_pages.py figures
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

# The checkout's own code and models are shown, whatever is installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import matplotlib
import numpy as np
import vapoursynth as vs
from PIL import Image, ImageDraw, ImageFont

import vsvqe as vqe
from demo import drawn
from demo_scenes import SCENE_FRAMES
from vsvqe.cards import find, newest
from vsvqe.evaluation import fusions, pictures, report, sections
from vsvqe.evaluation.crops import Crop
from vsvqe.evaluation.encode import encode_clip
from vsvqe.evaluation.recipes import RECIPES, source
from vsvqe.evaluation.shake import Shake, film
from vsvqe.evaluation.sheet import Column, draw
from vsvqe.metrics import stability
from vsvqe.motion.transform import similarities

matplotlib.use("agg")

from matplotlib import pyplot

# The wall of the drawn clip: lettering, spokes and bricks, leaves.
SHOWN = SCENE_FRAMES + 18
CROPS = (
    Crop(436, 118, 120, 72, "letters"),
    Crop(330, 350, 120, 72, "spokes"),
    Crop(760, 60, 120, 72, "leaves"),
)

# A hand-held camera in front of that wall, at rest for the last quarter.
SHAKE = Shake(frames=120, pan=(0.12, 0.04))
SIZE = (640, 360)
RESTING = range(104, 113)
BORDERS = ("fill", "mirror", "zoom", "crop", "black")


def deblock(original: vs.VideoNode, folder: Path) -> Image.Image:
    """Draws what Deblock makes of a compressed clip."""
    damaged = coded(original, folder / "deblock.mkv", "libx264", {"crf": "34"})
    return sheet(
        original,
        Column("x264 CRF 34", damaged),
        *(
            Column(find(word, "deblock").name, vqe.Deblock(damaged, model=word))
            for word in ("fast", "balanced", "best")
        ),
    )


def superres(original: vs.VideoNode, folder: Path) -> Image.Image:
    """Draws what SuperRes makes of a small clip."""
    small = original.resize.Bicubic(original.width // 2, original.height // 2)
    damaged = coded(small, folder / "superres.mkv", "libx264", {"crf": "23"})
    size = (original.width, original.height)
    by_two = [card for card in vqe.list_models("superres") if card.scale == 2]
    names = {card.variant: card.name for card in newest(by_two)}
    return sheet(
        original,
        Column("bicubic", damaged.resize.Bicubic(*size)),
        Column(names["fast"], vqe.SuperRes(damaged, model="fast")),
        Column(names["balanced"], vqe.SuperRes(damaged)),
        Column("the same, detail=1", vqe.SuperRes(damaged, detail=1)),
    )


def astf(original: vs.VideoNode, folder: Path) -> Image.Image:
    """Draws the stages of ASTF, and its mask."""
    damaged = coded(original, folder / "astf.mkv", "libx265", {"x265-params": "qp=37:bframes=0"})
    mask = fusions.mask_picture(vqe.ASTF(damaged, show="mask"), damaged)
    stages = [Column(name, vqe.ASTF(damaged, show=name)) for name in ("stage1", "texture")]
    return sheet(
        original,
        Column("x265 QP 37", damaged),
        *stages,
        Column("smooth", vqe.ASTF(damaged, show="smooth")),
        Column("mask", mask, judged=False),
        Column("result", vqe.ASTF(damaged)),
    )


def coded(clip: vs.VideoNode, path: Path, codec: str, options: dict[str, str]) -> vs.VideoNode:
    """Compresses a clip and opens it again."""
    encode_clip(clip, path, codec, {"preset": "medium", **options})
    return source(path)


def sheet(original: vs.VideoNode, *columns: Column) -> Image.Image:
    """Draws crops of clips beside the original."""
    return draw([*columns, Column("original", original)], CROPS, SHOWN, zoom=2, consecutive=1)


def filmed(original: vs.VideoNode) -> vs.VideoNode:
    """Films the wall with a camera in the hand."""
    picture = pictures.rgb(original[SHOWN])[0]
    # The camera is the same for all colours, since nothing but the seed decides where it is.
    planes = [film(picture[..., plane], *SIZE, SHAKE, seed=3).frames for plane in range(3)]
    width, height = SIZE
    blank = vs.core.std.BlankClip(
        format=vs.RGB24, width=width, height=height, length=SHAKE.frames, fpsnum=30
    )
    clip = pictures.as_clip(planes, blank)
    return clip.resize.Bicubic(format=vs.YUV420P8, matrix=vs.MATRIX_BT709)


def stabilize(shaky: vs.VideoNode, path: Path) -> None:
    """Draws how still the picture stands, and where the camera went."""
    clips = {"input": shaky, "Stabilize": vqe.Stabilize(shaky)}
    figure = pyplot.figure(figsize=(11, 6.2), layout="constrained")
    axes = figure.subplot_mosaic([["input", "Stabilize"], ["x", "y"]], height_ratios=(2, 1))
    for name, clip in clips.items():
        mean = pictures.rgb(clip[RESTING.start : RESTING.stop]).mean(axis=0)
        axes[name].imshow(np.uint8(mean.round()), interpolation="bilinear")
        axes[name].set(title=f"{name}: mean of {len(RESTING)} frames", xticks=[], yticks=[])
        moves = stability.motions(pictures.read(clip).y)
        places = np.cumsum(similarities(moves)[:, :2], axis=0) * clip.height
        for axis, way in zip(("x", "y"), places.T, strict=True):
            axes[axis].plot(way, label=name)
    for axis in ("x", "y"):
        axes[axis].set(xlabel="frame", ylabel=f"{axis}, pixels")
        axes[axis].grid(alpha=0.3)
        axes[axis].legend()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def borders(shaky: vs.VideoNode) -> Image.Image:
    """Draws the frame that is moved most with every border."""
    moved = vqe.Stabilize(shaky, border="black", mask=True)[1]
    share = [
        frame.props["PlaneStatsAverage"] for frame in moved.std.PlaneStats().frames(close=True)
    ]
    number = int(np.argmax(share))
    cells = [("input", pictures.rgb(shaky[number])[0])]
    for border in BORDERS:
        steady, mask = vqe.Stabilize(shaky, border=border, mask=True)
        picture = pictures.rgb(steady[number])[0].copy()
        with mask.get_frame(number) as frame:
            beyond = np.uint8(np.array(frame[0]) > 127)
        edges, _ = cv2.findContours(beyond, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, edges, -1, (230, 30, 30), 1)
        cells.append((f'border="{border}"', picture))
    return grid(cells)


def grid(cells: list[tuple[str, np.ndarray]], columns: int = 3) -> Image.Image:
    """Puts pictures under their names, in rows."""
    width, height = SIZE[0] // 2, SIZE[1] // 2
    gap, head = 6, 20
    rows = -(-len(cells) // columns)
    page = Image.new("RGB", (columns * (width + gap), rows * (height + head + gap)), "white")
    pen = ImageDraw.Draw(page)
    for place, (name, picture) in enumerate(cells):
        left, top = place % columns * (width + gap), place // columns * (height + head + gap)
        pen.text((left, top + 2), name, "black", ImageFont.load_default(13))
        small = cv2.resize(
            picture,
            (round(picture.shape[1] / 2), round(picture.shape[0] / 2)),
            interpolation=cv2.INTER_AREA,
        )
        page.paste(Image.fromarray(small), (left, top + head))
    return page


def draw_pictures(docs: Path) -> None:
    """Draws all pictures."""
    original = drawn()
    shaky = filmed(original)
    stabilize(shaky, docs / "stabilize.png")
    borders(shaky).save(docs / "borders.png", optimize=True)
    with tempfile.TemporaryDirectory() as folder:
        for draw_page in (deblock, superres, astf):
            picture = draw_page(original, Path(folder))
            picture.save(docs / f"{draw_page.__name__}.png", optimize=True)


def fill_figures(docs: Path) -> None:
    """Fills the tables from what was evaluated."""
    scores = report.read_csv(docs / "evaluation.csv")
    page = (docs / "evaluation.md").read_text(encoding="utf-8")
    command = re.search(r"```sh\n(.+)\n```", page)
    if command is None:
        raise SystemExit("docs/evaluation.md does not say by which command it was measured")
    for name, enlarged in (("deblock", False), ("superres", True)):
        own = [score for score in scores if (RECIPES[score.recipe].scale > 1) == enlarged]
        sections.fill_section(docs / f"{name}.md", "figures", report.summary(own, command[1]))


def main() -> None:
    """Does what was asked for."""
    parser = argparse.ArgumentParser(description="Fills the pages of the filters.")
    parser.add_argument("action", choices=["pictures", "figures"])
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder with the pages")
    options = parser.parse_args()
    {"pictures": draw_pictures, "figures": fill_figures}[options.action](options.docs)


if __name__ == "__main__":
    main()
