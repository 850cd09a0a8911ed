"""Which metric for which task: one table, for `editmetrics choose` and for the page docs/choosing.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

RATINGS = "ratings"
"""What a task may require beside fields of a sample: a table of people's ratings."""


@dataclass(frozen=True)
class Pick:
    """A metric for a task, with the options that it is used with there, and what it tells."""

    spec: str
    tells: str


@dataclass(frozen=True)
class Task:
    """A question, and the metrics and the command that answer it.

    - `name`: one word. `question`: what somebody wants to know. `words`: other words for it, for the search.
    - `has`: the fields of a sample that the picks require, and `ratings`. `picks`: the most useful first.
    - `command`: `{m}` stands for the picks, `-m` each; `{first}` for the first alone. `advice`: what to look out for.
    """

    name: str
    question: str
    words: str
    has: tuple[str, ...]
    picks: tuple[Pick, ...]
    command: str
    advice: str

    def command_line(self) -> str:
        """The command with its metrics."""
        options = " ".join(f"-m {pick.spec}" for pick in self.picks)
        return self.command.replace("{m}", options).replace("{first}", self.picks[0].spec if self.picks else "")


PAIR = ("source", "edited")
EDIT = (*PAIR, "prompt")

TASKS = (
    Task(
        "instruction",
        "Did the edit do what the instruction says?",
        "follow following obey instruct prompt alignment compliance semantic success edit quality judge gpt",
        EDIT,
        (
            Pick("vie_score", "a chat model's marks for the instruction and for the image, 0 to 10"),
            Pick("edit_hf", "a network trained on ratings of edits: quality, instruction, preservation"),
        ),
        "editmetrics score sources/ edits/ --prompts prompts.csv {m}",
        "Ask the judge about twenty samples first, and read its explanations. Check the background, too.",
    ),
    Task(
        "background",
        "Did everything outside the edited region stay as it was?",
        "preserve preservation unchanged outside region mask local inpainting leak identity rest",
        (*PAIR, "mask"),
        (
            Pick("psnr:region=outside", "the size of the changes outside the mask, in dB"),
            Pick("ssim:region=outside", "whether their structure is the same"),
            Pick("lpips:region=outside", "whether people would see a difference"),
        ),
        "editmetrics score sources/ edits/ --masks masks/ {m}",
        "White marks the edited region. Without masks these measure how little changed at all, and doing nothing wins.",
    ),
    Task(
        "similarity",
        "How close is a result to the image it should be?",
        "restoration restore superresolution super resolution denoise deblur compression codec reconstruction fidelity "
        "difference distance target ground truth pair full reference",
        PAIR,
        (
            Pick("psnr", "the mean squared difference of pixels, in dB"),
            Pick("ssim", "structure in small windows"),
            Pick("lpips", "what a network that was tuned to people sees"),
            Pick("dists", "the same, but forgiving where texture differs"),
        ),
        "editmetrics score targets/ results/ {m}",
        "The first folder holds the images that are aimed at. State options beside the number: channels, crop, size.",
    ),
    Task(
        "reference",
        "How close is an edit to a known correct edit?",
        "ground truth gold expected magicbrush target reference",
        (*PAIR, "reference"),
        (
            Pick("lpips:against=reference", "the visible distance to the reference"),
            Pick("clip_image:against=reference", "likeness of content"),
            Pick("dino_image:against=reference", "likeness of objects"),
        ),
        "editmetrics score sources/ edits/ --references truth/ {m}",
        "One reference is one of many good edits; add a metric of the instruction.",
    ),
    Task(
        "layout",
        "Did shapes and layout stay, whatever the colours and the style?",
        "structure style transfer colour geometry pose composition shape",
        PAIR,
        (
            Pick("structure_distance", "how far the arrangement of parts moved"),
            Pick("dino_image", "likeness of the objects"),
        ),
        "editmetrics score sources/ edits/ {m}",
        "Pixel metrics punish a change of style as much as a broken shape.",
    ),
    Task(
        "identity",
        "Is it still the same person, or the same thing?",
        "face faces person people identity id arcface portrait subject object character preserve keep dreambooth "
        "customisation personalisation",
        (*PAIR, "mask"),
        (
            Pick("face_identity", "whether the faces are still the same people's"),
            Pick("dino_image:region=subject", "likeness of what the mask marks, cut out"),
        ),
        "editmetrics score sources/ edits/ --masks masks/ {m}",
        "Of another picture of the person, use against=reference. Faces: pip install 'editmetrics[faces]'.",
    ),
    Task(
        "generation",
        "Does a generated image show its prompt?",
        "text to image t2i text-to-image generated prompt alignment caption clip diffusion",
        ("edited", "prompt"),
        (
            Pick("clip_score", "the usual number of papers; quick, saturates, cannot count"),
            Pick("vqa_score", "a model asked whether the image shows the prompt; better on relations"),
            Pick("pick_score", "which image of a prompt people would prefer; the usual reward"),
        ),
        "editmetrics score --images images/ --prompts prompts.csv {m}",
        "The prompt describes the image. For an instruction such as 'make it red' use the task instruction.",
    ),
    Task(
        "text",
        "Can the text be read that was asked for?",
        "ocr letters words spelling typography rendering sign poster quotes longtext anytext",
        ("edited", "prompt"),
        (Pick("text_accuracy", "the share of the wanted words, characters and phrases that an OCR model reads"),),
        "editmetrics score --images images/ --prompts prompts.csv {m}",
        "The wanted text is in the prompt's quotes or in a column. pip install 'editmetrics[ocr]'.",
    ),
    Task(
        "look",
        "How good does an image look by itself?",
        "quality aesthetic no reference noreference blind nr iqa niqe brisque musiq naturalness artefact sharp noise",
        ("edited",),
        (
            Pick("aesthetic", "what people find beautiful; a network trained on their ratings"),
            Pick("brisque", "distortions by statistics of natural images; lower is better"),
            Pick("pyiqa/musiq", "a network trained on ratings of photographs"),
        ),
        "editmetrics score --images images/ {m}",
        "These come from other libraries: pip install piq pyiqa. They know photographs, and no instruction.",
    ),
    Task(
        "change",
        "Did the image change as the caption changed?",
        "directional direction caption source prompt target clip",
        (*EDIT, "source_prompt"),
        (Pick("clip_direction", "whether the change in the image points where the change in the text does"),),
        "editmetrics score manifest.csv {m}",
        "The manifest has a caption of each image: columns source_prompt and prompt.",
    ),
    Task(
        "benchmark",
        "What would a benchmark's published table say?",
        "paper table pie-bench magicbrush gedit reproduce publish leaderboard suite compare with published",
        (*PAIR, "prompt", "mask"),
        (),
        "editmetrics score sources/ edits/ --prompts prompts.csv --masks masks/ --suite pie-bench",
        "'editmetrics suite pie-bench' explains it, and 'editmetrics list' names the others.",
    ),
    Task(
        "models",
        "Is model A better than model B?",
        "compare two models systems significant better ab test difference ranking leaderboard",
        PAIR,
        (Pick("ssim", "or the metrics of your task"),),
        "editmetrics score sources/ model_a/ model_b/ {m} -o models.csv --report report.html",
        "Take the metrics from the task above that fits: likeness to the source rewards doing nothing.",
    ),
    Task(
        "arena",
        "Which models win, two by two, and how sure is their order?",
        "arena pairwise pairs two sided rank ranking leaderboard elo bradley terry battle versus side win rate ties",
        (*EDIT, "rival"),
        (
            Pick(
                "pair_judge", "a chat model's choice between two edits, in both orders: win, loss, tie or inconsistent"
            ),
        ),
        "editmetrics arena sources/ model_a/ model_b/ --prompts prompts.csv {m} --log battles.csv",
        "--dry-run counts the requests. Of people's votes: 'editmetrics rate', then 'editmetrics arena --battles'.",
    ),
    Task(
        "votes",
        "What do people prefer, when they see two edits?",
        "collect vote voting annotate annotation raters humans study preference preferences prefer pairs page browser",
        (*EDIT, "rival"),
        (),
        "editmetrics rate manifest.csv -o votes.jsonl",
        "Then 'arena --battles votes.jsonl' for models, 'ratings rank' for images, 'evaluate --pairs' for metrics.",
    ),
    Task(
        "agreement",
        "Which metric agrees with our raters?",
        "human ratings mos correlation srcc plcc agree agreement trust validate evaluate people",
        (*PAIR, RATINGS),
        (),
        "editmetrics evaluate scores.csv ratings.csv",
        "scores.csv is what 'editmetrics score ... -o scores.csv' wrote; ratings.csv has a row for each image.",
    ),
    Task(
        "combination",
        "Which of our metrics, together, predict our raters?",
        "combine combination regression together ensemble random forest svr ridge importance which metrics needed",
        (RATINGS,),
        (),
        "editmetrics combine scores.csv ratings.csv",
        "Measured on images whose source was held out. It says what each metric is worth beside the others.",
    ),
    Task(
        "training",
        "Can a metric learn our ratings?",
        "train fit finetune learn learned assessor own ratings reward model annotators",
        (*EDIT, RATINGS),
        (
            Pick("ds_ieqa", "three dimensions of an edit; tunes the prompts and the weights of a language model"),
            Pick("epaiqa", "a local edit, with an explanation"),
            Pick("hpe_lsa", "three dimensions of an edit, and whether an image is real"),
            Pick("lmm4lmm", "a generated image and its prompt"),
        ),
        "editmetrics fit {first} train.csv -o runs/mine",
        "Keep images of one source on one side: 'editmetrics ratings split' does. A GPU is needed for the full models.",
    ),
    Task(
        "reward",
        "What can a training loop use as a reward?",
        "reinforcement learning rl grpo dpo ppo loop serve http service online reward trl verl flow_grpo",
        EDIT,
        (Pick("edit_hf", "three dimensions of an edit, by a network"), Pick("lpips", "how much changed")),
        "editmetrics serve {m}",
        "A metric that rewards no change must not stand alone. docs/rewards.md has the trainers.",
    ),
)
"""All tasks, the most frequent first."""


def tasks_for(words: Sequence[str]) -> list[Task]:
    """The tasks that most of `words` fit, best first; empty if none does. A task's name alone chooses it.

    >>> [task.name for task in tasks_for(["is", "the", "background", "unchanged"])]
    ['background']
    """
    wanted = [word for word in _words(" ".join(words)) if len(word) > 2 and word not in COMMON]
    if len(wanted) == 1 and (named := [task for task in TASKS if task.name == wanted[0]]):
        return named
    points = {task.name: sum(_fits(word, task) for word in wanted) for task in TASKS}
    best = max(points.values())
    return [task for task in TASKS if best and points[task.name] == best][:3]


def tasks_with(has: Iterable[str]) -> list[Task]:
    """The tasks that need nothing but `has`, those that use the most of it first.

    >>> [task.name for task in tasks_with(["source", "edited", "mask"])][0]
    'background'
    """
    available = {*has, "edited"}
    fitting = [task for task in TASKS if available.issuperset(task.has)]
    return sorted(fitting, key=lambda task: -len(task.has))


COMMON = frozenset(
    "the did does was what how with and for image images picture that want which metric metrics has have are can our "  # noqa: SIM905
    "its edit edits".split()
)
"""Words that tell no task from another."""


def _fits(word: str, task: Task) -> float:
    own, others = _words(f"{task.name} {task.question}"), _words(task.words)
    if any(_alike(word, known) for known in own):
        return 1
    if any(_alike(word, known) for known in others):
        return 0.9
    return 0.5 if get_close_matches(word, [*own, *others], n=1, cutoff=0.85) else 0


def _alike(word: str, known: str) -> bool:
    return known not in COMMON and (word == known or (min(len(word), len(known)) > 3 and
                                                      (known.startswith(word) or word.startswith(known))))  # fmt: skip


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())
