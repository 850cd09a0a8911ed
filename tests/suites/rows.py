"""Three made-up rows, whose images any script can be shown: of unequal sizes, portrait, with a Chinese instruction."""

from __future__ import annotations

import numpy as np
from PIL import Image

from editmetrics import Sample

SIZES = {"0a": ((512, 512), (640, 480)), "0b": ((384, 640), (384, 640)), "0c": ((416, 672), (1024, 1024))}
PROMPTS = {
    "0a": "Make the cat blue.",
    "0b": "把天空改成紫色",
    "0c": 'Write "<instruction> \\1 {x}" on the wall',
}


def picture(width: int, height: int, phase: float) -> Image.Image:
    """A smooth picture with colour in it, the same on every machine."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    bands = [(x * 3 + y * int(7 * phase)) % 256, (x * y // 97) % 256, (y * 2 + int(40 * phase)) % 256]
    return Image.fromarray(np.stack(bands, axis=-1).astype(np.uint8))


def write_rows(folder, source_suffix=".png"):
    """Write the images and return the rows: key, source, edited, instruction."""
    rows = []
    for number, (key, (before, after)) in enumerate(SIZES.items()):
        source, edited = folder / f"{key}_SRCIMG{source_suffix}", folder / f"{key}.png"
        picture(*before, 1 + number).save(source)
        picture(*after, 1.5 + number).save(edited)
        rows.append((key, source, edited, PROMPTS[key]))
    return rows


def samples(folder, source_suffix=".png", **columns):
    """The same as samples; `columns` go into their rows."""
    return [
        Sample(key, edited=str(edited), source=str(source), prompt=prompt, meta=dict(columns))
        for key, source, edited, prompt in write_rows(folder, source_suffix)
    ]


RISE_ROWS = (
    {"category": "temporal_reasoning", "reference": "an old cat"},
    {"category": "causal_reasoning", "reference": "a wet cat", "reasoning_img": "yes"},
    {"category": "temporal_reasoning", "reference": "a cat", "consistency_free": 1},
    {"category": "spatial_reasoning", "reference": "a box"},
    {"category": "spatial_reasoning", "reference_img": "target.jpg"},
    {"category": "spatial_reasoning", "reference": "a box", "reasoning_img": "yes"},
    {"category": "logical_reasoning", "reference_txt": "17"},
    {"category": "logical_reasoning", "reference_img": "target.jpg"},
)


def write_rise(folder):
    """Write the images of `RISE_ROWS`: a large JPEG, which its decoder makes smaller, and a PNG with transparency."""
    picture(1900, 1300, 1).save(folder / "before.jpg", quality=90)
    picture(800, 900, 2).save(folder / "target.jpg")
    picture(1000, 700, 3).convert("RGBA").save(folder / "after.png")
    return folder


def rise_samples(folder):
    """The same as samples of the suite `rise`."""
    folder, made = write_rise(folder), []
    for number, row in enumerate(RISE_ROWS):
        meta = {"reference_text" if name == "reference" else name: value for name, value in row.items()}
        reference = str(folder / "target.jpg") if "reference_img" in row else None
        images = {"edited": str(folder / "after.png"), "source": str(folder / "before.jpg"), "reference": reference}
        made.append(Sample(str(number), **images, prompt=f"do {number} {{x}}", meta=meta))
    return made


KRIS_ROWS = (
    {"category": "count_change", "explain_en": "two cats"},
    {"category": "physics", "explain_en": "ice {melts}"},
    {"category": "viewpoint_change", "explain_en": ""},
)
KRIS_FRAMES = ("7-1.png", "7-3.png", "7-4.jpg")
KRIS_ELEMENTS = ("9-1.jpg", "9-2.png")


def write_kris(folder):
    """Write the images of two rows with several sources: frames 1, 3 and 4 of a clip, and two elements."""
    for number, name in enumerate((*KRIS_FRAMES, *KRIS_ELEMENTS, "7.png", "9.png"), 1):
        picture(64 + 8 * number, 96, number).save(folder / name)
    return folder


def kris_samples(folder):
    """The same as samples of the suite `kris`, one for each script; the source is its own ground truth."""
    folder = write_kris(folder)
    rows = zip(write_rows(folder), KRIS_ROWS, strict=True)
    return [
        Sample(key, edited=str(edited), source=str(source), reference=str(source), prompt=prompt, meta=dict(row))
        for (key, source, edited, prompt), row in rows
    ] + [
        Sample(
            name,
            edited=str(folder / f"{name}.png"),
            source=[str(folder / one) for one in sources],
            prompt=f"do {name} {{x}}",
            meta={"category": category, "explain_en": ""},
        )
        for name, category, sources in (
            ("7", "temporal_prediction", KRIS_FRAMES),
            ("9", "multi-element_composition", KRIS_ELEMENTS),
        )
    ]


HUB_PROMPTS = {
    "t2i": "a cat",
    "mie": "add a hat",
    "tie": 'Write "<prompt>" {x}',
    "sdie": "can_of_beans",
    "sdig": "a <token> cat in Paris",
    "msdig": "a <token> cat_b",
    "cig": "a wall",
}


def write_hub(folder):
    """Write the images of a row of each task of ImagenHub, where ImagenMuseum has them."""
    for number, name in enumerate(("input", "token", "a_model")):
        (folder / name).mkdir()
        picture(90 + 30 * number, 120 - 20 * number, 2 + number).save(folder / name / "sample_1.jpg")
    return folder


def hub_samples(folder):
    """The same as samples of the suite `imagen-hub`."""
    before, token, after = (str(folder / name / "sample_1.jpg") for name in ("input", "token", "a_model"))
    images = {
        task: {} if task == "t2i" else {"source": before} | ({"reference": token} if task == "sdie" else {})
        for task in HUB_PROMPTS
    }
    return [
        Sample(task, edited=after, prompt=prompt, meta={"task": task}, **images[task])
        for task, prompt in HUB_PROMPTS.items()
    ]


GENAI_ROWS = (
    {"task": "image_edition", "vote_type": "leftvote", "target_prompt": "a {blue} cat", "source_prompt": "a cat"},
    {"task": "image_generation", "vote_type": "bothbad_vote"},
)


def genai_samples(folder):
    """A pair of edits and a pair of generated images, PNG files, as samples of the suite `genai-bench`."""
    made = []
    for row, (key, source, edited, prompt) in zip(GENAI_ROWS, write_rows(folder), strict=False):
        meta = {name: value for name, value in row.items() if name != "source_prompt"}
        more = {"source": str(source), "source_prompt": row["source_prompt"]} if "source_prompt" in row else {}
        made.append(Sample(key, edited=str(edited), rival=str(source), prompt=prompt, meta=meta, **more))
    return made


OMNI_ROWS = {
    "single_character": ("large.jpg",),
    "multi_object": ("odd.png", "large.jpg"),
    "scene_character_object": ("odd.png", "square.png", "large.jpg"),
}


def omni_samples(folder):
    """Write the images of three rows of OmniContext, with one to three sources, and return the rows."""
    picture(1900, 1300, 1).save(folder / "large.jpg", quality=90)
    picture(333, 250, 2).save(folder / "odd.png")
    picture(256, 256, 3).save(folder / "square.png")
    made = []
    for number, (task, sources) in enumerate(OMNI_ROWS.items()):
        picture(320, 320 + 8 * number, 4).save(folder / f"{task}.png")
        paths = [str(folder / name) for name in sources]
        meta = {"task_type": task, "instruction_language": "en"}
        prompt = f"combine {number} {{x}} <instruction>"
        made.append(Sample(task, edited=str(folder / f"{task}.png"), source=paths, prompt=prompt, meta=meta))
    return made
