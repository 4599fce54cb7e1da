"""Two short scenes, drawn: a harbour that the camera pans over, and a wall that it zooms at.

They stand in for filmed material where none is at hand: texture at all scales, thin lines, text,
gradients, layers that move against each other, and a cut.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

WIDTH, HEIGHT = 960, 540
SCENE_FRAMES = 25

# Everything is drawn at twice the size; the camera reduces it, so edges are as smooth as filmed.
_W, _H = 2 * WIDTH, 2 * HEIGHT
_WIDE = _W + 500

type _Floats = NDArray[np.float64]
type _Colour = tuple[int, int, int]


def frames() -> Iterator[NDArray[np.uint8]]:
    """Yields the frames of both scenes as RGB, height x width x 3."""
    yield from _harbour()
    yield from _wall()


def _harbour() -> Iterator[NDArray[np.uint8]]:
    rng = np.random.default_rng(11)
    sky, hills = _sky(rng), _hills(rng)
    town = _town(rng)
    water = _water(rng, town)
    boat, reeds = _boat(), _reeds(rng)
    for t in range(SCENE_FRAMES):
        picture = _seen(sky, 1.0 * t)
        picture.alpha_composite(_seen(hills, 2.0 * t))
        picture.alpha_composite(_seen(town, 5.0 * t))
        picture.alpha_composite(_rippled(_seen(water, 5.0 * t), t))
        picture.alpha_composite(_seen(boat, 9.0 * t, 5 + 5 * np.sin(t / 5)))
        picture.alpha_composite(_seen(reeds, 13.0 * t))
        yield np.asarray(picture.convert("RGB"))


def _wall() -> Iterator[NDArray[np.uint8]]:
    rng = np.random.default_rng(5)
    wall = _bricks(rng)
    _window(wall, rng)
    _board(wall)
    _ivy(wall, rng)
    for t in range(SCENE_FRAMES):
        zoom = 1.0 - 0.006 * t
        left, top = 190 + 4.0 * t, 15 + 1.0 * t
        scene = wall.copy()
        _bicycle(scene, 1500 - 9.0 * t, 785)
        box = (left, top, left + _W * zoom, top + _H * zoom)
        seen = scene.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS, box=box)
        yield np.asarray(seen.convert("RGB"))


def _seen(layer: Image.Image, x: float, y: float = 0.0) -> Image.Image:
    """Returns what the camera sees of a layer, from a place that may lie between pixels."""
    box = (x, y, x + _W, y + _H)
    return layer.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS, box=box)


def _noise(rng: np.random.Generator, height: int, width: int, cell: float, wide: float) -> _Floats:
    """Returns fractal noise of mean 0 and deviation 1; ``wide`` stretches it horizontally."""
    total = np.zeros((height, width))
    weight = 1.0
    while cell >= 2:
        grid = (max(2, round(width / (cell * wide))), max(2, round(height / cell)))
        small = rng.normal(size=grid[::-1]).astype(np.float32)
        total += weight * np.asarray(Image.fromarray(small).resize((width, height), 3))
        cell, weight = cell / 2, weight * 0.55
    return np.asarray((total - total.mean()) / total.std())


def _image(rgb: _Floats, alpha: _Floats | None = None) -> Image.Image:
    height, width = rgb.shape[:2]
    opaque = np.ones((height, width)) if alpha is None else alpha
    stacked = np.concatenate([rgb, 255 * opaque[..., None]], axis=2)
    return Image.fromarray(np.clip(np.rint(stacked), 0, 255).astype(np.uint8), "RGBA")


def _mixed(a: _Colour, b: _Colour, share: _Floats) -> _Floats:
    share = np.clip(share, 0.0, 1.0)[..., None]
    return np.asarray(np.array(a) * (1 - share) + np.array(b) * share)


def _sky(rng: np.random.Generator) -> Image.Image:
    down = np.repeat(np.linspace(0, 1, _H)[:, None], _WIDE, axis=1)
    sky = _mixed((70, 118, 178), (246, 214, 178), (down / 0.5) ** 1.3)
    clouds = _noise(rng, _H, _WIDE, 220, 2.6)
    cover = np.clip((clouds - 0.15) * 0.75, 0, 0.9) * np.clip(1.25 - down / 0.5, 0, 1)
    light = _mixed((168, 160, 176), (255, 244, 232), 0.6 + 0.3 * clouds)
    return _image(sky + (light - sky) * cover[..., None])


def _hills(rng: np.random.Generator) -> Image.Image:
    texture = _noise(rng, _H, _WIDE, 90, 1.6)
    ridge = 400 - 62 * _noise(rng, 2, _WIDE, 256, 1.4)[0]
    rows = np.arange(_H)[:, None]
    colour = _mixed((92, 112, 128), (138, 150, 142), 0.5 + 0.28 * texture)
    return _image(colour, np.clip(rows - ridge + 8 * texture, 0, 1))


def _town(rng: np.random.Generator) -> Image.Image:
    town = Image.new("RGBA", (_WIDE, _H))
    draw = ImageDraw.Draw(town)
    paints = [(196, 92, 70), (222, 186, 118), (228, 220, 206), (120, 148, 160), (176, 122, 96)]
    names = ["HARBOUR CAFE", "ROPES & SAILS", "No. 27", "FISH MARKET", "HOTEL", "CHARTS, BOOKS"]
    x, number = -40, 0
    while x < _WIDE:
        width, height = int(rng.integers(190, 330)), int(rng.integers(170, 290))
        colour = paints[number % len(paints)]
        _house(draw, rng, (x, 640 - height, x + width, 640), colour, names[number % len(names)])
        x, number = x + width + int(rng.integers(-6, 26)), number + 1
    draw.rectangle((0, 636, _WIDE, 668), fill=(112, 104, 98))
    for x in range(0, _WIDE, 46):
        draw.line((x, 636, x, 668), fill=(78, 72, 70), width=3)
        draw.line((x, 606, x, 636), fill=(52, 50, 52), width=4)
    for y in (610, 622):
        draw.line((0, y, _WIDE, y), fill=(52, 50, 52), width=2)
    return _weathered(town, rng, 9)


def _house(
    draw: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    box: tuple[int, int, int, int],
    colour: _Colour,
    name: str,
) -> None:
    left, top, right, bottom = box
    middle, peak = (left + right) // 2, top - int(rng.integers(60, 110))
    draw.rectangle(box, fill=colour)
    draw.polygon([(left - 8, top), (middle, peak), (right + 8, top)], fill=(118, 66, 54))
    for y in range(peak, top, 9):
        reach = (right - left + 16) / 2 * (y - peak) / (top - peak)
        draw.line((middle - reach, y, middle + reach, y), fill=(90, 50, 42), width=2)
    draw.rectangle((right - 50, peak + 5, right - 28, top - 20), fill=(104, 72, 62))
    for y in range(top + 22, bottom - 90, 66):
        for x in range(left + 24, right - 44, 62):
            lit = rng.random() < 0.3
            draw.rectangle((x, y, x + 32, y + 42), fill=(250, 214, 140) if lit else (58, 74, 92))
            draw.rectangle((x, y, x + 32, y + 42), outline=(240, 236, 226), width=3)
            draw.line((x + 16, y, x + 16, y + 42), fill=(240, 236, 226), width=2)
            draw.line((x, y + 18, x + 32, y + 18), fill=(240, 236, 226), width=2)
    sign = (left + 12, bottom - 76, right - 12, bottom - 44)
    draw.rectangle(sign, fill=(38, 46, 56))
    draw.text((middle, bottom - 60), name, font=_font(23), fill=(244, 230, 190), anchor="mm")
    draw.rectangle((middle - 18, bottom - 42, middle + 18, bottom), fill=(70, 48, 40))


def _water(rng: np.random.Generator, town: Image.Image) -> Image.Image:
    height = _H - 668
    waves = _noise(rng, height, _WIDE, 16, 6.0)
    down = np.linspace(0, 1, height)[:, None]
    colour = _mixed((120, 138, 150), (34, 66, 88), down + 0.10 * waves)
    mirrored = town.crop((0, 668 - height, _WIDE, 668)).transpose(1).filter(_blur(5))
    mirror = np.asarray(mirrored, np.float64)
    share = 0.45 * mirror[..., 3:] / 255 * (1 - 0.75 * down[..., None])
    colour += (mirror[..., :3] - colour) * share
    colour += 55 * np.clip(waves - 1.1 + 0.2 * down, 0, 1)[..., None]
    water = Image.new("RGBA", (_WIDE, _H))
    water.paste(_image(colour), (0, 668))
    return water


def _rippled(picture: Image.Image, t: int) -> Image.Image:
    """Moves the rows of the water to and fro, more the nearer they are."""
    pixels = np.asarray(picture).copy()
    for row in range(340, HEIGHT):
        near = (row - 334) / (HEIGHT - 334)
        shift = 3.0 * near * np.sin(0.5 * t + 14.0 / (near + 0.12))
        whole = int(np.floor(shift))
        a, b = np.roll(pixels[row], whole, 0), np.roll(pixels[row], whole + 1, 0)
        pixels[row] = np.rint(a + (b.astype(np.float32) - a) * (shift - whole))
    return Image.fromarray(pixels, "RGBA")


def _boat() -> Image.Image:
    boat = Image.new("RGBA", (_W, _H))
    draw = ImageDraw.Draw(boat)
    hull = [(620, 770), (1180, 770), (1120, 850), (690, 850)]
    draw.polygon(hull, fill=(232, 230, 224))
    draw.polygon([(632, 786), (1170, 786), (1158, 802), (642, 802)], fill=(150, 44, 40))
    draw.text((1010, 826), "MARGARETA", font=_font(30), fill=(34, 44, 66), anchor="mm")
    draw.line((890, 770, 890, 240), fill=(94, 68, 48), width=9)
    draw.polygon([(902, 290), (902, 730), (1120, 730)], fill=(238, 226, 200))
    for y in range(330, 730, 40):
        draw.line((902, y, 902 + (y - 290) * 0.49, y), fill=(206, 192, 162), width=2)
    for foot in (640, 690, 740, 1080, 1130, 1172):
        draw.line((890, 250, foot, 770), fill=(44, 44, 48), width=2)
    for y in range(420, 760, 34):
        reach = (y - 250) / 520
        draw.line((890 - 200 * reach, y, 890 - 150 * reach, y), fill=(44, 44, 48), width=2)
    draw.polygon([(886, 240), (886, 284), (800, 262)], fill=(30, 84, 140))
    layer = Image.new("RGBA", (_WIDE, _H + 10))
    layer.paste(boat, (330, 5))
    return layer


def _reeds(rng: np.random.Generator) -> Image.Image:
    reeds = Image.new("RGBA", (_WIDE, _H))
    draw = ImageDraw.Draw(reeds)
    for _ in range(1500):
        x, tall = rng.uniform(0, _WIDE), rng.gamma(3.0, 38.0)
        lean = rng.normal(0, 0.22) * tall
        green = tuple(int(v) for v in (rng.normal(1, 0.22) * np.array((84, 106, 48))).clip(10, 200))
        curve = [(x + lean * s * s, _H - tall * s) for s in (0.0, 0.25, 0.5, 0.75, 1.0)]
        for (a, b), width in zip(pairwise(curve), (6, 5, 4, 3), strict=True):
            draw.line((*a, *b), fill=green, width=width)
    return reeds


def _bricks(rng: np.random.Generator) -> Image.Image:
    wall = Image.new("RGB", (_WIDE, _H + 60), (168, 158, 146))
    draw = ImageDraw.Draw(wall)
    for row, y in enumerate(range(0, wall.height, 40)):
        for x in range(-60 * (row % 2), _WIDE, 120):
            tone = rng.normal(0, 4, 3) + rng.normal(0, 14)
            colour = tuple(int(v) for v in np.clip(np.array((158, 88, 66)) + tone, 0, 255))
            draw.rounded_rectangle((x + 3, y + 3, x + 116, y + 36), 5, fill=colour)
            draw.line((x + 6, y + 36, x + 114, y + 36), fill=(96, 54, 44), width=2)
    wall = _weathered(wall.convert("RGBA"), rng, 15)
    ImageDraw.Draw(wall).rectangle((0, 1010, _WIDE, wall.height), fill=(104, 100, 96))
    return wall


def _window(wall: Image.Image, rng: np.random.Generator) -> None:
    glass = _mixed((40, 56, 72), (150, 172, 190), 0.4 + 0.3 * _noise(rng, 480, 380, 160, 1.0))
    curtain = 0.5 + 0.5 * np.sin(np.arange(380) / 7.0)[None, :, None]
    side = (np.abs(np.arange(380) - 190) > 105)[None, :, None]
    glass = np.where(side, np.array((196, 190, 172)) * (0.6 + 0.4 * curtain), glass)
    wall.paste(_image(glass), (420, 150))
    draw = ImageDraw.Draw(wall)
    draw.rectangle((400, 130, 820, 650), outline=(232, 226, 212), width=22)
    draw.line((610, 140, 610, 640), fill=(232, 226, 212), width=14)
    for y in (310, 470):
        draw.line((410, y, 810, y), fill=(232, 226, 212), width=12)
    draw.rectangle((380, 640, 840, 672), fill=(206, 198, 184))


def _board(wall: Image.Image) -> None:
    draw = ImageDraw.Draw(wall)
    draw.rectangle((1010, 120, 1680, 640), fill=(92, 62, 42))
    draw.rectangle((1030, 140, 1660, 620), fill=(34, 46, 42))
    draw.text((1345, 192), "BICYCLE WORKSHOP", font=_font(54), fill=(240, 232, 206), anchor="mm")
    lines = [
        ("Wheels trued while you wait", "12.50"),
        ("Spokes, chains, brake cables", "3.20"),
        ("Lamps & dynamos repaired", "18.00"),
        ("Saddles, new and used", "24.00"),
        ("Tubes patched, tyres fitted", "6.75"),
    ]
    for number, (text, price) in enumerate(lines):
        y = 276 + 58 * number
        draw.text((1064, y), text, font=_font(32), fill=(222, 222, 210), anchor="lm")
        draw.text((1628, y), price, font=_font(32), fill=(236, 206, 132), anchor="rm")
        draw.line((1064, y + 26, 1628, y + 26), fill=(86, 104, 96), width=2)
    small = "Open Monday to Friday 8-18, Saturday 9-13. Deliveries: yard."
    draw.text((1345, 588), small, font=_font(20), fill=(190, 196, 184), anchor="mm")


def _ivy(wall: Image.Image, rng: np.random.Generator) -> None:
    draw = ImageDraw.Draw(wall)
    for _ in range(1500):
        depth = rng.gamma(1.6, 62.0)
        x, y = 2090 - depth + rng.normal(0, 24), rng.uniform(-20, 1000)
        size, angle = rng.uniform(8, 20), rng.uniform(0, 2 * np.pi)
        shade = rng.normal(0, 24)
        colour = tuple(int(v) for v in np.clip(np.array((66, 104, 48)) + shade, 0, 255))
        turns = angle + np.array((0, 0.9, 2.3, 3.1, 4.0, 5.4))
        reach = size * np.array((1.5, 0.8, 1.0, 0.5, 1.0, 0.8))
        leaf = list(zip(x + reach * np.cos(turns), y + reach * np.sin(turns), strict=True))
        draw.polygon(leaf, fill=colour)
        draw.line((*leaf[0], *leaf[3]), fill=tuple(c + 40 for c in colour), width=2)


def _bicycle(scene: Image.Image, x: float, y: float) -> None:
    """Draws a bicycle that rolls: its rear hub is at x, y."""
    draw = ImageDraw.Draw(scene)
    radius, front = 160, x - 440
    for hub in (x, front):
        box = (hub - radius, y - radius, hub + radius, y + radius)
        for number in range(32):
            # Spokes cross: they leave the hub to one side of their own direction.
            angle = x / radius + number * np.pi / 16
            start = angle + (1.2 if number % 2 else -1.2)
            draw.line(
                (
                    *(hub + 16 * np.cos(start), y + 16 * np.sin(start)),
                    *(hub + 148 * np.cos(angle), y + 148 * np.sin(angle)),
                ),
                fill=(206, 208, 212),
                width=2,
            )
        draw.ellipse(box, outline=(30, 30, 32), width=12)
        inner = tuple(v + d for v, d in zip(box, (14, 14, -14, -14), strict=True))
        draw.ellipse(inner, outline=(190, 192, 196), width=5)
        draw.ellipse((hub - 16, y - 16, hub + 16, y + 16), fill=(120, 122, 128))
    crank, seat, head = (x - 190, y + 10), (x - 130, y - 210), (x - 385, y - 200)
    for a, b in (((x, y), crank), ((x, y), seat), (crank, seat), (crank, head), (seat, head)):
        draw.line((*a, *b), fill=(24, 96, 92), width=13)
    stem = (head[0] + 12, head[1] - 50)
    draw.line((*stem, front, y), fill=(24, 96, 92), width=12)
    draw.line((*stem, stem[0] + 52, stem[1] - 16), fill=(200, 200, 204), width=9)
    draw.line((*seat, seat[0] + 14, seat[1] - 44), fill=(200, 200, 204), width=9)
    saddle = (seat[0] - 46, seat[1] - 60, seat[0] + 66, seat[1] - 38)
    draw.rounded_rectangle(saddle, 10, fill=(64, 40, 28))
    wheel = (crank[0] - 40, crank[1] - 40, crank[0] + 40, crank[1] + 40)
    draw.ellipse(wheel, outline=(70, 70, 74), width=6)
    for dy in (-38, 38):
        draw.line((crank[0], crank[1] + dy, x, y + dy * 0.4), fill=(52, 52, 56), width=3)


def _weathered(layer: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Adds texture of all scales to what is opaque."""
    pixels = np.asarray(layer, np.float64)
    grain = _noise(rng, layer.height, layer.width, 64, 1.0)
    rough = rng.normal(0, 0.6, grain.shape)
    return _image(pixels[..., :3] + strength * (grain + rough)[..., None], pixels[..., 3] / 255)


def _blur(radius: float) -> ImageFilter.GaussianBlur:
    return ImageFilter.GaussianBlur(radius)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
