"""Scenes: up to four coloured shapes on a piece of a photograph, one in each quarter, seen by a camera.

What is seen of a scene differs from view to view in ways that say nothing about it: the camera moves by some pixels,
and its exposure, colour cast, sharpness and noise vary. An edited image is another view than its source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.worlds.edits import crop_of, photographs_of

SIDE, MARGIN = 64, 2
"""The side of an image, and how far the camera may move, in pixels."""

SHAPES = ("circle", "square", "triangle", "cross")
COLOURS = {
    "red": (215, 40, 40),
    "green": (40, 175, 50),
    "blue": (50, 70, 220),
    "yellow": (230, 210, 50),
    "white": (240, 240, 240),
}
CELLS = ("top left", "top right", "bottom left", "bottom right")
"""The quarters of an image, of which each holds one shape at most."""

PRETRAINING = ("astronaut", "chelsea", "motorcycle_left", "ihc", "brick", "coins", "camera")
FITTING = ("rocket", "retina", "grass", "moon")
TESTING = ("coffee", "hubble_deep_field", "gravel", "cell")
"""The photographs of scikit-image that a backbone sees first, that an assessor learns from, and that it is tested on.
None is in two of them."""

LEARNING, CHOOSING = ("rocket", "retina", "moon", "china", "flower", "clock_motion"), ("grass", "grace_hopper")
"""More photographs to learn from, and others to choose weights by, none of which is in `PRETRAINING` or `TESTING`."""

ELSEWHERE = {
    "china": ("sklearn", "datasets/images/china.jpg"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    "grace_hopper": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
}
"""Photographs that come with scikit-learn and Matplotlib: the package, and the file in it."""

LOOKS = ("speckled", "blurred", "blocky", "striped")
"""The ways in which a piece of an image can look broken."""


@dataclass(frozen=True)
class Thing:
    """A shape: its name, its colour's name, its radius, its centre in pixels from the middle of its cell, and the share
    of its colour that is seen."""

    shape: str
    colour: str
    radius: float
    across: float
    down: float
    opacity: float = 1.0

    def words(self) -> str:
        return f"{self.colour} {self.shape}"

    def plural(self) -> str:
        return f"{self.colour} {plural(self.shape)}"


def plural(shape: str) -> str:
    """Name several things of a shape.

    >>> plural("circle"), plural("cross")
    ('circles', 'crosses')
    """
    return f"{shape}es" if shape.endswith("s") else f"{shape}s"


Scene = tuple[Thing | None, Thing | None, Thing | None, Thing | None]
"""The thing of each cell."""


@dataclass(frozen=True)
class Flaw:
    """What an editor left in a square: a look of this strength (0 to 1), and by how many levels it is brighter than its
    surroundings."""

    square: tuple[int, int, int, int]
    look: str
    strength: float
    step: float


class Backgrounds:
    """Pieces of photographs, cut once, and varied each time that one is drawn."""

    def __init__(self, photographs: Sequence[str], count: int = 300, seed: int = 0) -> None:
        random, pictures = np.random.default_rng([seed, 17]), _photographs(photographs)
        self.pieces = [crop_of(pictures, random, 96) for _ in range(count)]

    def draw(self, random: np.random.Generator) -> np.ndarray:
        """A piece (SIDE + 2 MARGIN, the same, 3) of float32, turned, its channels in any order, of lower contrast."""
        wide = SIDE + 2 * MARGIN
        piece = self.pieces[int(random.integers(len(self.pieces)))]
        top, left = random.integers(0, len(piece) - wide + 1, 2)
        view = np.rot90(piece[top : top + wide, left : left + wide], int(random.integers(4)))[
            ..., random.permutation(3)
        ]
        view = view.astype(np.float32)
        middle = view.mean((0, 1))
        return (view - middle) * random.uniform(0.35, 0.7) + middle * 0.4 + random.uniform(45, 85)


def _photographs(names: Sequence[str]) -> dict[str, np.ndarray]:
    """Photographs (H, W, 3) by name, in this order."""
    from importlib.resources import files

    from PIL import Image

    pictures = photographs_of(tuple(name for name in names if name not in ELSEWHERE))
    for name in set(names) - pictures.keys():
        package, file = ELSEWHERE[name]
        with files(package).joinpath(file).open("rb") as stream:
            pictures[name] = np.asarray(Image.open(stream).convert("RGB"))
    return {name: pictures[name] for name in names}


def thing(random: np.random.Generator) -> Thing:
    """Any thing."""
    shape, colour = str(random.choice(SHAPES)), str(random.choice(list(COLOURS)))
    across, down = random.uniform(-3, 3, 2)
    return Thing(shape, colour, float(random.uniform(7.5, 11)), float(across), float(down))


def scene(random: np.random.Generator, count: int) -> Scene:
    """A scene of `count` things."""
    cells = set(random.permutation(4)[:count].tolist())
    one, two, three, four = (thing(random) if cell in cells else None for cell in range(4))
    return one, two, three, four


def centre(one: Thing, cell: int) -> tuple[float, float]:
    """The centre of a thing in a cell: x and y in pixels."""
    half = SIDE // 2
    return half // 2 + half * (cell % 2) + one.across, half // 2 + half * (cell // 2) + one.down


def box(one: Thing, cell: int, margin: float = 0.0) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a thing in pixels, with a margin, inside the image."""
    (x, y), reach = centre(one, cell), one.radius + margin
    return max(x - reach, 0.0), max(y - reach, 0.0), min(x + reach, float(SIDE)), min(y + reach, float(SIDE))


def view(things: Scene, background: np.ndarray, random: np.random.Generator, flaws: Sequence[Flaw] = ()) -> np.ndarray:
    """The image (SIDE, SIDE, 3) of uint8 that a camera takes of a scene."""
    image = background.copy()
    for cell, one in enumerate(things):
        if one is not None:
            _paint(image, one, cell)
    for flaw in flaws:
        _spoil(image, flaw, random)
    top, left = random.integers(0, 2 * MARGIN + 1, 2)
    image = image[top : top + SIDE, left : left + SIDE]
    image = _softened(image, float(random.uniform(0, 0.25)))
    middle = image.mean()
    cast = random.uniform(0.95, 1.05, 3) * random.uniform(0.85, 1.15)
    image = image * cast.astype(np.float32) + np.float32(middle * (1 - cast.mean()) + random.uniform(-14, 14))
    image += np.float32(random.uniform(1, 8)) * random.standard_normal(image.shape, np.float32)
    return np.rint(image).clip(0, 255).astype(np.uint8)


def _softened(image: np.ndarray, share: float) -> np.ndarray:
    """An image of which each pixel takes this share from its two neighbours along each axis."""
    for axis in (0, 1):
        neighbours = np.roll(image, 1, axis) + np.roll(image, -1, axis)
        image = image * np.float32(1 - share) + neighbours * np.float32(share / 2)
    return image


def _paint(image: np.ndarray, one: Thing, cell: int) -> None:
    x, y = centre(one, cell)
    rows, columns = np.ogrid[: len(image), : len(image)]
    across, down = columns + 0.5 - MARGIN - x, rows + 0.5 - MARGIN - y
    alpha = np.clip(0.5 - _distance(one.shape, across, down, one.radius), 0, 1)[..., None] * one.opacity
    image += alpha * (np.array(COLOURS[one.colour], np.float32) - image)


def _distance(shape: str, across: np.ndarray, down: np.ndarray, radius: float) -> np.ndarray:
    """How far a point lies outside of a shape, in pixels; negative inside."""
    wide, high = np.abs(across), np.abs(down)
    if shape == "circle":
        return np.hypot(across, down) - radius
    if shape == "square":
        return np.maximum(wide, high) - 0.85 * radius
    if shape == "triangle":
        return np.maximum(0.88 * wide - 0.47 * (down + radius), down - 0.75 * radius)
    arm = 0.35 * radius
    return np.minimum(np.maximum(wide - radius, high - arm), np.maximum(wide - arm, high - radius))


def _spoil(image: np.ndarray, flaw: Flaw, random: np.random.Generator) -> None:
    """Give a square a look and another brightness."""
    left, top, right, bottom = flaw.square
    part = image[top + MARGIN : bottom + MARGIN, left + MARGIN : right + MARGIN]
    part += flaw.strength * (_with_look(part, flaw.look, random) - part) + flaw.step


def square_of(one: Thing | None, cell: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom, whole pixels, of the square around a thing, or in the middle of an empty cell."""
    about = one or Thing("circle", "white", 9.0, 0.0, 0.0)
    left, top, right, bottom = (round(edge) for edge in box(about, cell, margin=3))
    return left, top, right, bottom


def flaws_of(things: Scene, random: np.random.Generator) -> dict[int, Flaw]:
    """Flaws of up to two cells, in an image of either kind: they say nothing of what was edited."""
    cells = [int(cell) for cell in random.permutation(4)[: int(random.choice(3, p=(0.3, 0.45, 0.25)))]]
    flaws = {}
    for cell in cells:
        look, strength = str(random.choice(LOOKS)), float(random.uniform(0, 1))
        step = float(random.choice((-1.0, 1.0)) * random.uniform(7, 45))
        flaws[cell] = Flaw(square_of(things[cell], cell), look, strength, step)
    return flaws


def _with_look(part: np.ndarray, look: str, random: np.random.Generator) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    height, width = part.shape[:2]
    if look == "blurred":
        return gaussian_filter(part, (3, 3, 0))
    if look == "blocky":
        rows, columns = (np.minimum(np.arange(size) // 5 * 5 + 2, size - 1) for size in (height, width))
        return part[np.ix_(rows, columns)]
    if look == "striped":
        rows = np.arange(height) + int(random.integers(4))
        return part + np.where(rows % 4 < 2, 50, -50)[:, None, None]
    grain = random.normal(0, 70, (-(-height // 2), -(-width // 2), 1))
    return part + grain.repeat(2, 0).repeat(2, 1)[:height, :width]
