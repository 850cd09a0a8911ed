"""Advice on a name that no metric has: another spelling, a library with a bridge, several names in one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .wording import did_you_mean, either

OTHER_NAMES = {
    "clip": "clip_score", "clip_i": "clip_image", "clip_t": "clip_text", "clip_sim": "clip_text",
    "clip_similarity": "clip_text", "clip_d": "clip_direction", "clip_dir": "clip_direction", "clipscore": "clip_score",
    "directional_similarity": "clip_direction", "dino": "dino_image", "dino_i": "dino_image", "dinov1": "dino_image",
    "l1": "mae", "l2": "mse", "msssim": "ms_ssim", "structure": "structure_distance", "viescore": "vie_score",
    "vqascore": "vqa_score", "edithf": "edit_hf", "dsieqa": "ds_ieqa", "gpt4v": "vie_score", "gpt_4o": "vie_score",
    "vifp": "vif", "pickscore": "pick_score", "pick": "pick_score", "hps": "hps_v2", "hpsv2": "hps_v2",
    "hps_v2.1": "hps_v2", "hpsv2.1": "hps_v2", "is": "inception_score", "isc": "inception_score", "fid_score": "fid",
    "clean_fid": "fid", "fd_dino": "fd_dinov2", "fdd": "fd_dinov2", "clip_mmd": "cmmd", "precision": "precision_recall",
    "recall": "precision_recall", "prc": "precision_recall",
    "imagereward": "image_reward", "blip": "blip_score", "blipscore": "blip_score",
    "laion_aes": "aesthetic", "laion_aesthetic": "aesthetic", "aesthetics": "aesthetic", "aesthetic_score": "aesthetic",
    "clipiqa": "clip_iqa", "ocr": "text_accuracy", "ocr_accuracy": "text_accuracy", "ned": "text_accuracy",
    "face": "face_identity", "arcface": "face_identity", "id_sim": "face_identity", "face_sim": "face_identity",
    "face_similarity": "face_identity", "insightface": "face_identity", "sface": "face_identity",
    "cer": "text_accuracy", "text_rendering": "text_accuracy", "word_accuracy": "text_accuracy",
    "hps_v3": "hpsv3", "hpsv3++": "hpsv3_plus", "unifiedreward": "unified_reward", "editreward": "edit_reward",
    "qalign": "q_align", "onealign": "q_align", "one_align": "q_align", "qalign_aesthetic": "q_align_aesthetics",
    "deqa": "deqa_score", "deqascore": "deqa_score",
}  # fmt: skip
"""Names that papers and other toolkits use, lower-case and with underscores, and ours."""

ELSEWHERE = {
    "piq": ("CLIPIQA", "dss", "srsim", "total_variation", "StyleLoss",
            "ContentLoss"),
    "pyiqa": (
        "ahiq", "arniqa", "ckdn", "clipiqa+", "cnniqa", "compare2score", "contrique", "dbcnn", "deepdc",
        "entropy", "hyperiqa", "laion_aes", "liqe", "maniqa", "msswd", "musiq", "nima",
        "nrqm", "paq2piq", "pi", "psnry", "qualiclip", "stlpips", "topiq_fr", "topiq_iaa",
        "topiq_nr", "tres", "unique", "wadiqam_fr", "wadiqam_nr",
    ),
    "torchmetrics": (
        "ErrorRelativeGlobalDimensionlessSynthesis", "SpatialCorrelationCoefficient", "SpectralAngleMapper",
        "UniversalImageQualityIndex",
    ),
}  # fmt: skip
"""Well-known metrics that only another library has, by the library that offers them through a bridge."""

SETS = {"clip_fid", "sfid", "msid", "gs", "mifid", "prdc"}
"""Metrics of sets of images that are not here, while others are."""


def advice(name: str, known: Iterable[str], bridges: Mapping[str, bool] | None = None) -> str:
    """Return advice on what to write instead of `name`, to stand after "no metric is named NAME."

    `known` are the names of metrics; `bridges` has the libraries with a bridge, and whether each is on this machine.

    >>> advice("psnr,ssim", ["psnr", "ssim"])
    "Each metric has its own option: -m psnr -m ssim; in Python, a list: ['psnr', 'ssim']."
    >>> advice("clip-i", ["clip_image"])
    "Did you mean 'clip_image'? 'editmetrics list' shows all metrics."
    """
    known, bridges = list(known), bridges or {}
    if several := names_in(name, known):
        options = " ".join(f"-m {each}" for each in several)
        return f"Each metric has its own option: {options}; in Python, a list: {several!r}."
    simple = name.lower().replace("-", "_")
    if (ours := OTHER_NAMES.get(simple)) in known:
        return f"Did you mean {ours!r}? 'editmetrics list' shows all metrics."
    if simple in SETS:
        return (
            f"{name.upper()} compares sets of images, as fid, kid, cmmd, fd_dinov2 and precision_recall do: "
            "editmetrics score real/ generated/ -m fid."
        )
    bridged = {other.lower(): f"{library}/{other}" for library, others in ELSEWHERE.items() for other in others}
    if full := bridged.get(simple):
        library = full.partition("/")[0]
        install = "" if bridges.get(library) else f", after pip install {library}"
        return f"The library {library} has it: -m {full}{install}."
    closest = did_you_mean(name, [*known, *bridged], n=1)
    elsewhere = {f"'{other}'": f"'{full}'" for other, full in bridged.items()}
    if (other := closest.removeprefix(" Did you mean ").removesuffix("?")) in elsewhere:
        return f"Did you mean {elsewhere[other]}? 'editmetrics list' shows all metrics."
    if close := did_you_mean(name, known):
        return f"{close.strip()} 'editmetrics list' shows all metrics."
    library, slash, _ = name.partition("/")
    unbridged = slash and bridges and library not in bridges
    others = f" Bridges exist to {', '.join(bridges)}, not to {library}." if unbridged else ""
    return f"Metrics: {', '.join(known)}.{others}"


def names_in(text: str, known: Iterable[str]) -> list[str]:
    """The metrics that `text` names between commas or blanks; empty unless there are several and all are known.

    >>> names_in("psnr,ssim", ["psnr", "ssim"]), names_in("psnr", ["psnr"]), names_in("psnr,x", ["psnr"])
    (['psnr', 'ssim'], [], [])
    """
    known, names = set(known), text.replace(",", " ").replace("+", " ").split()
    return names if len(names) > 1 and known.issuperset(names) else []


def looks_like_a_metric(paths: Iterable[str], metrics: Iterable[str], known: Iterable[str]) -> str | None:
    """Why `paths`, none of which exists, may be metrics that lack their own `-m`; None if one of them is not a name.

    >>> looks_like_a_metric(["ssim"], ["psnr"], ["psnr", "ssim"])
    "'ssim' is a metric and not a file or folder; each metric has its own option: -m psnr -m ssim"
    """
    paths, known = list(paths), set(known)
    names = [path for path in paths if path.partition(":")[0] in known]
    if not names or len(names) < len(paths):
        return None
    options = " ".join(f"-m {each}" for each in [*metrics, *names])
    return f"{either(map(repr, names))} is a metric and not a file or folder; each metric has its own option: {options}"
