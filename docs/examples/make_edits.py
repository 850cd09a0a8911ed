"""Makes the example photographs, their edits, masks and prompts: `python docs/examples/make_edits.py`.

The photographs come with scikit-image (`pip install scikit-image`); NOTICE names their authors and licences. The edits
are made by plain image processing, in the place of a generative model, so that anybody can make them again:

- `edited/`: each instruction followed, with the faults that real edits have: a bad blend, JPEG artefacts, lost texture;
- `edited_b/`: the same by a weaker system, which leaves four images as they are and spoils the others.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from skimage import color, data, filters, measure, morphology, restoration

HERE = Path(__file__).parent
PROMPTS = {
    "astronaut": "Remove the model of the space shuttle from the background.",
    "brick": "Throw the wall out of focus, so that I can put text on it.",
    "camera": "Turn this photo into a pencil sketch.",
    "cat": "Give the cat bright blue eyes.",
    "coffee": "Make the cup and the saucer dark blue.",
    "coins": "Make the coins look like gold.",
    "gravel": "Put an old silver coin on the gravel.",
    "rocket": "Change the night sky to a sunrise.",
    "stars": "Add a space shuttle flying through the stars.",
}


def main() -> None:
    sources = {
        "astronaut": photograph(data.astronaut(), (0, 0, 512, 512), (320, 320)),
        "brick": photograph(data.brick(), (0, 0, 512, 512), (288, 288)),
        "camera": photograph(data.camera(), (0, 0, 512, 512), (320, 320)),
        "cat": photograph(data.chelsea(), (0, 0, 451, 300), (384, 255)),
        "coffee": photograph(data.coffee(), (0, 0, 600, 400), (384, 256)),
        "coins": photograph(data.coins(), (0, 0, 384, 303), (384, 303)),
        "gravel": photograph(data.gravel(), (100, 100, 484, 356), (384, 256)),
        "rocket": photograph(data.rocket(), (0, 0, 640, 427), (384, 256)),
        "stars": photograph(data.hubble_deep_field(), (200, 250, 712, 634), (384, 288)),
    }
    masks = {
        "astronaut": shuttle_mask(),
        "cat": eyes_mask(),
        "coffee": crockery_mask(sources["coffee"]),
        "coins": coins_mask(sources["coins"]),
        "gravel": coin_on_gravel_mask(),
        "stars": shuttle_in_space_mask(),
    }
    edited = {
        "astronaut": remove(sources["astronaut"], masks["astronaut"]),
        "brick": sources["brick"].filter(ImageFilter.GaussianBlur(4)),
        "camera": pencil_sketch(sources["camera"]),
        "cat": recolour(sources["cat"], masks["cat"], hue=0.57, saturation=1.1, value=1.1),
        "coffee": recolour(sources["coffee"], masks["coffee"], hue=0.62, saturation=0.85, value=0.75),
        "coins": tint(sources["coins"], masks["coins"], (255, 196, 70)),
        "gravel": place_coin(sources["gravel"], harmonise=True),
        "rocket": sunrise(sources["rocket"], strength=1.0),
        "stars": paste_shuttle(sources["stars"]),
    }
    whole = Image.new("L", sources["cat"].size, 255)
    edited_b = {
        "astronaut": smear(sources["astronaut"], masks["astronaut"]),
        "brick": sources["brick"].filter(ImageFilter.GaussianBlur(9)),
        "camera": sources["camera"],
        "cat": recolour(sources["cat"], whole, hue=0.57, saturation=1.3, value=1.0),
        "coffee": sources["coffee"],
        "coins": sources["coins"],
        "gravel": place_coin(sources["gravel"], harmonise=False),
        "rocket": sunrise(sources["rocket"], strength=2.5),
        "stars": sources["stars"],
    }
    save(sources, "source", quality=92)
    save(edited, "edited", quality=92, qualities={"coins": 12})
    save(edited_b, "edited_b", quality=75)
    for name, mask in masks.items():
        (HERE / "masks").mkdir(exist_ok=True)
        mask.convert("1", dither=Image.Dither.NONE).save(HERE / "masks" / f"{name}.png", optimize=True)
    with open(HERE / "prompts.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("name", "prompt"), *PROMPTS.items()])


def photograph(pixels: np.ndarray, box: tuple[int, int, int, int], size: tuple[int, int]) -> Image.Image:
    """The part `box` (left, top, right, bottom) of a photograph, scaled to `size`."""
    return Image.fromarray(pixels).crop(box).resize(size, Image.Resampling.LANCZOS)


def save(images: dict[str, Image.Image], folder: str, quality: int, qualities: dict[str, int] | None = None) -> None:
    (HERE / folder).mkdir(exist_ok=True)
    for name, image in images.items():
        image.save(HERE / folder / f"{name}.jpg", quality=(qualities or {}).get(name, quality), optimize=True)


def drawn_mask(
    size: tuple[int, int], ellipses: Sequence[tuple[float, ...]] = (), polygons: Sequence[list[tuple[int, int]]] = ()
) -> Image.Image:
    """White ellipses (centre, half axes) and polygons on black, drawn four times as large for smooth edges."""
    mask = Image.new("L", (4 * size[0], 4 * size[1]))
    draw = ImageDraw.Draw(mask)
    for x, y, a, b in ellipses:
        draw.ellipse([4 * (x - a), 4 * (y - b), 4 * (x + a), 4 * (y + b)], fill=255)
    for polygon in polygons:
        draw.polygon([(4 * x, 4 * y) for x, y in polygon], fill=255)
    return mask.resize(size, Image.Resampling.BOX)


def eyes_mask() -> Image.Image:
    return drawn_mask((384, 255), ellipses=[(145, 98, 27, 24), (271, 116, 19, 22)])


def crockery_mask(coffee: Image.Image) -> Image.Image:
    """The red porcelain: saturated red inside the saucer's outline, with its highlights, without rim and spoon."""
    hue, saturation, _ = np.moveaxis(color.rgb2hsv(np.array(coffee)), 2, 0)
    outline = np.array(drawn_mask(coffee.size, ellipses=[(178, 141, 129, 109)])) > 127
    inside = np.array(drawn_mask(coffee.size, ellipses=[(185.5, 72, 75, 61)])) > 127
    spoon = drawn_mask(
        coffee.size,
        ellipses=[(234, 180, 25, 29)],
        polygons=[[(254, 46), (272, 44), (262, 90), (246, 145), (238, 152), (247, 100)]],
    )
    red = ((hue < 0.043) | (hue > 0.95)) & (saturation > 0.78)
    porcelain = morphology.closing(red & outline, morphology.disk(4)) & outline & ~inside & ~(np.array(spoon) > 127)
    porcelain = morphology.remove_small_objects(morphology.remove_small_holes(porcelain, max_size=100), max_size=100)
    return Image.fromarray(np.uint8(255 * porcelain)).filter(ImageFilter.GaussianBlur(0.7))


def shuttle_mask() -> Image.Image:
    outline = [(218, 146), (234, 112), (234, 30), (244, 20), (246, 0), (276, 0), (286, 28), (289, 140), (297, 170)]
    return drawn_mask((320, 320), polygons=[[*outline, (297, 184), (228, 184), (226, 168)]])


def coins_mask(coins: Image.Image) -> Image.Image:
    grey = np.array(coins.convert("L"))
    bright = (grey > filters.threshold_local(grey, 151, offset=-6)) & (grey > 95)
    filled = morphology.remove_small_holes(morphology.closing(bright, morphology.disk(3)), max_size=2000)
    hulls = np.zeros_like(filled)
    for coin in measure.regionprops(measure.label(morphology.opening(filled, morphology.disk(8)))):
        top, left, bottom, right = coin.bbox
        if top > 0:
            hulls[top:bottom, left:right] |= coin.image_convex
    return Image.fromarray(np.uint8(255 * hulls))


COIN = (17, 229, 60, 60)  # left, top, width and height of a coin in the photograph of coins
COIN_AT = (214, 120)  # its middle on the gravel


def coin_on_gravel_mask() -> Image.Image:
    return drawn_mask((384, 256), ellipses=[(*COIN_AT, COIN[2] / 2 - 2, COIN[3] / 2 - 2)])


def shuttle_in_space_mask() -> Image.Image:
    mask = Image.new("L", (384, 288))
    cut = cut_shuttle()
    mask.paste(cut.getchannel("A"), SHUTTLE_AT)
    return mask


def recolour(image: Image.Image, mask: Image.Image, hue: float, saturation: float, value: float) -> Image.Image:
    """`hue` in the region of the mask; saturation and value are multiplied."""
    pixels = color.rgb2hsv(np.array(image))
    pixels[..., 0] = hue
    pixels[..., 1:] = np.clip(pixels[..., 1:] * (saturation, value), 0, 1)
    return blend(image, color.hsv2rgb(pixels), mask)


def tint(image: Image.Image, mask: Image.Image, light: tuple[int, int, int]) -> Image.Image:
    """A grey image with the region of the mask in the colour `light`, as bright as it was."""
    grey = np.array(image.convert("L"), dtype=float)[..., None] / 255
    coloured = np.clip(1.35 * grey * np.array(light) / 255, 0, 1) ** [1, 1, 1.1]
    return blend(image.convert("RGB"), coloured, mask.filter(ImageFilter.GaussianBlur(1)))


def remove(image: Image.Image, mask: Image.Image) -> Image.Image:
    """The backdrop goes on behind the mask, and below it the black table."""
    pixels = np.array(image) / 255
    left, right, table = 190, 320, 171
    part = pixels[:table, left:right]
    hole = np.array(mask)[:table, left:right] > 0
    hole = morphology.dilation(hole, morphology.disk(4))
    smooth = filters.gaussian(np.where(hole[..., None], 0, part), 2, channel_axis=2)
    smooth /= np.maximum(filters.gaussian((~hole).astype(float), 2), 1e-6)[..., None]
    filled = restoration.inpaint_biharmonic(np.where(hole[..., None], 0, smooth), hole, channel_axis=2)
    grain = np.random.default_rng(0).normal(0, (part - smooth)[~hole].std(), hole.shape)
    result = pixels.copy()
    result[:table, left:right][hole] = (filled + grain[..., None])[hole]
    below = np.array(mask)[table:] > 0
    result[table:][below] = pixels[table + 14, 250] + np.random.default_rng(1).normal(0, 0.006, (below.sum(), 1))
    return to_image(result)


def smear(image: Image.Image, mask: Image.Image) -> Image.Image:
    """A poor removal: whatever surrounds the mask, blurred into it."""
    return Image.composite(image.filter(ImageFilter.GaussianBlur(14)), image, mask.filter(ImageFilter.GaussianBlur(3)))


def pencil_sketch(image: Image.Image) -> Image.Image:
    """Colour dodge of the grey image by its blurred negative."""
    grey = np.array(image.convert("L"), dtype=float) / 255
    sketch = grey / np.maximum(filters.gaussian(grey, 4), 0.08)
    return to_image(np.clip(1.05 * sketch, 0, 1) ** 1.4)


def sunrise(image: Image.Image, strength: float) -> Image.Image:
    """A warm glow that rises from the horizon, added where the picture is dark, and a lighter, pinker sky."""
    pixels = np.array(image, dtype=float) / 255
    height = np.linspace(1, 0, image.height)[:, None, None]
    glow = np.exp(-((height - 0.12) ** 2) / 0.06) * np.array([1.0, 0.47, 0.16])
    sky = np.array([0.30, 0.17, 0.22]) * (1 - 0.5 * height)
    light = strength * (0.75 * glow + sky) * (0.35 + 1.3 * pixels.max(axis=2, keepdims=True))
    return to_image(1 - (1 - pixels) * (1 - np.clip(light, 0, 0.97)))


def place_coin(gravel: Image.Image, harmonise: bool) -> Image.Image:
    """A coin on the gravel: lit as the stones are and with a shadow, or cut out in a square and pasted."""
    left, top, width, height = COIN
    coin = Image.fromarray(data.coins()).crop((left, top, left + width, top + height))
    corner = (COIN_AT[0] - width // 2, COIN_AT[1] - height // 2)
    pasted = gravel.convert("L")
    if not harmonise:
        pasted.paste(coin, corner)
        return pasted
    mask = coin_on_gravel_mask()
    shadow = np.roll(np.array(mask.filter(ImageFilter.GaussianBlur(4)), dtype=float), (5, 5), (0, 1)) / 255
    ground = to_image(np.array(pasted) / 255 * (1 - 0.55 * shadow))
    pixels, stones = np.array(coin, dtype=float), np.array(gravel.convert("L"), dtype=float)
    disc = np.array(mask.crop((*corner, corner[0] + width, corner[1] + height))) > 200
    lit = (pixels - pixels[disc].mean()) / pixels[disc].std() * stones.std() * 0.9 + stones.mean() * 1.1
    pasted = ground.copy()
    pasted.paste(to_image(lit / 255), corner)
    return Image.composite(pasted, ground, mask.filter(ImageFilter.GaussianBlur(0.8)))


SHUTTLE_AT = (96, 34)


def cut_shuttle() -> Image.Image:
    """The model from the astronaut's portrait, cut out carelessly: some of the backdrop comes with it."""
    outline = [(216, 142), (230, 104), (231, 22), (241, 12), (243, 0), (279, 0), (290, 20), (293, 146), (292, 172)]
    outline += [(222, 174)]
    portrait = photograph(data.astronaut(), (0, 0, 512, 512), (320, 320))
    portrait.putalpha(drawn_mask((320, 320), polygons=[outline]))
    return portrait.crop((214, 0, 300, 176)).rotate(-42, expand=True, resample=Image.Resampling.BICUBIC)


def paste_shuttle(stars: Image.Image) -> Image.Image:
    pasted = stars.copy()
    cut = cut_shuttle()
    pasted.paste(cut.convert("RGB"), SHUTTLE_AT, mask=cut.getchannel("A"))
    return pasted


def blend(image: Image.Image, changed: np.ndarray, mask: Image.Image) -> Image.Image:
    return Image.composite(to_image(changed), image, mask.filter(ImageFilter.GaussianBlur(0.8)))


def to_image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.uint8(np.rint(255 * np.clip(pixels, 0, 1))))


if __name__ == "__main__":
    main()
