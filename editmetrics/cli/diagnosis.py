"""What `editmetrics doctor` finds out, as plain data. Nothing here may fail: what cannot be found out is a finding.

Heavy and fragile libraries are imported in another process, since a broken one may take its process with it.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SHOWN = ("torch", "torchvision", "transformers", "accelerate", "peft", "timm", "open-clip-torch", "numpy", "pillow")
"""Packages whose versions people ask for."""

VARIABLES = (
    "EDITMETRICS_HOME", "EDITMETRICS_DEVICE", "EDITMETRICS_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE",
    "HF_HOME", "HF_ENDPOINT", "TORCH_HOME", "OPENAI_BASE_URL", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS",
)  # fmt: skip
SECRET = ("OPENAI_API_KEY", "EDITMETRICS_JUDGE_KEY", "HF_TOKEN", "HTTPS_PROXY", "https_proxy")
"""Variables of which only is said that they are set."""

PATIENCE = 60.0
"""Seconds after which the process that imports torch is given up."""

BUDGET = 1.0
"""Seconds that adding up the size of one folder may take; what is there by then is a lower bound."""

LITTLE = 2 * 2**30
"""Bytes of free disk space below which a warning is due."""

_DEVICES = """
import json, sys
import torch, torchvision
found = {"torch": torch.__version__, "threads": torch.get_num_threads(), "gpus": [], "mps": False}
if torch.cuda.is_available():
    for number in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(number)
        found["gpus"].append({"name": about.name, "gigabytes": round(about.total_memory / 2**30, 1)})
found["cuda"] = torch.version.cuda
found["mps"] = bool(getattr(torch.backends, "mps", None) and torch.backends.mps.is_available())
print(json.dumps(found))
"""


_PLUGINS = """
import json, sys
from editmetrics.registry import BrokenPluginError, metric_class
for name in json.loads(sys.argv[1]):
    try:
        metric_class(name)
        reason = None
    except BrokenPluginError as error:
        reason = str(error).partition("cannot be used: ")[2]
    print("\\neditmetrics plugin", json.dumps([name, reason]), flush=True)
"""


@dataclass
class Diagnosis:
    """Everything that was found, and `problems`: a line for each thing that is broken, with what to do."""

    versions: dict[str, str | None] = field(default_factory=dict)
    extras: list[dict[str, Any]] = field(default_factory=list)
    devices: dict[str, Any] = field(default_factory=dict)
    plugins: list[dict[str, Any]] = field(default_factory=list)
    allowed: dict[str, str] = field(default_factory=dict)
    bridges: list[dict[str, Any]] = field(default_factory=list)
    weights: dict[str, Any] = field(default_factory=dict)
    caches: list[dict[str, Any]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    disk: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def diagnose() -> Diagnosis:
    """Look at everything; a part that cannot be looked at is a problem, and the others are looked at all the same."""
    found = Diagnosis()
    torch = _started_torch()
    parts: tuple[Callable[[Diagnosis], None], ...] = (
        versions, requirements, plugins, allowed_names, bridges, weights, caches, environment, disk,
    )  # fmt: skip
    for part in parts:
        _guarded(part.__name__.replace("_", " "), found, part)
    _guarded("devices", found, lambda found: devices(found, torch))
    return found


def versions(found: Diagnosis) -> None:
    """editmetrics, Python, and the packages that people ask for."""
    from .. import __version__

    found.versions = {"editmetrics": __version__, "python": platform.python_version(), "system": platform.platform()}
    found.versions |= {name: _version(name) for name in SHOWN}


def requirements(found: Diagnosis) -> None:
    """What the package requires and what each extra does: installed, in a version that will do."""
    try:
        required = importlib.metadata.requires("editmetrics") or []
        extras = importlib.metadata.metadata("editmetrics").get_all("Provides-Extra") or []
    except importlib.metadata.PackageNotFoundError:
        found.problems.append("editmetrics runs from a folder and is not installed; pip install -e FOLDER")
        return
    from packaging.requirements import Requirement

    wanted = [Requirement(text) for text in required]
    unmet = [said for one in wanted if _applies(one, "") for said in _unmet(one)]
    if unmet:
        advice = " ".join(f"'{one}'" for one in unmet)
        found.problems.append(f"required and not installed in a version that will do: pip install {advice}")
    for extra in extras:
        missing = [said for one in wanted if _applies(one, extra) and not _applies(one, "") for said in _unmet(one)]
        found.extras.append({"extra": extra, "missing": missing, "pip": f"pip install 'editmetrics[{extra}]'"})


def plugins(found: Diagnosis) -> None:
    """Every third-party metric: usable, or broken and why."""
    from ..registry import plugin_names, providers_of, refused_plugins

    reasons: dict[str, str | None] = {plugin.name: plugin.reason for plugin in refused_plugins()}
    for name, reason in sorted((reasons | _imported(plugin_names())).items()):
        package = ", ".join(f"{package} {version}" for package, version in providers_of(name).items())
        found.plugins.append({"name": name, "package": package, "broken": reason})
        if reason is not None:
            found.problems.append(f"the metric {name} of {package} cannot be used: {reason}")


def allowed_names(found: Diagnosis) -> None:
    """Built-in names that plugins were allowed to take."""
    from ..allowed import allowed
    from ..registry import providers_of

    found.allowed = allowed()
    for name, package in found.allowed.items():
        if package not in providers_of(name):
            found.problems.append(
                f"{name} is allowed to the package {package}, which is not installed or has no such metric, so the "
                f"built-in {name} is used; install it, or 'editmetrics plugin forbid {name}'"
            )


def bridges(found: Diagnosis) -> None:
    """The libraries that there are bridges to."""
    from ..describe import bridges

    found.bridges = bridges()


def weights(found: Diagnosis) -> None:
    """How many checkpoints are on this machine, and registries that cannot be read."""
    from .. import weights

    names = list(weights.registered())
    here = [name for name in names if weights.find(name) is not None]
    found.weights = {"registered": len(names), "here": here, "folder": str(weights.store())}
    found.problems += [f"a registry of weights is broken: {sentence}" for sentence in weights.broken_registries()]


def caches(found: Diagnosis) -> None:
    """Every folder that fills up: what is in our home, and where the libraries keep downloads."""
    from .. import weights

    home = weights.store().parent
    inside = sorted(path for path in home.iterdir() if path.is_dir()) if home.is_dir() else []
    huggingface = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    torch = Path(os.environ.get("TORCH_HOME", "~/.cache/torch")).expanduser()
    named = [(path.name, path) for path in inside] or [("editmetrics", home)]
    for name, path in [
        *named,
        ("Hugging Face", Path(os.environ.get("HF_HUB_CACHE", huggingface / "hub"))),
        ("torch hub", torch / "hub"),
    ]:
        size, complete = folder_size(path)
        found.caches.append({"cache": name, "path": str(path), "bytes": size, "complete": complete})
    judge = home / "judge" / "answers.sqlite"
    if judge.exists():
        from ..judge import Cache

        kept = sum(line.answers for line in Cache(judge).summary())
        found.caches.append({"cache": "judge's answers", "path": str(judge), "answers": kept})


def environment(found: Diagnosis) -> None:
    """The variables that change what happens; of keys only that they are set."""
    values = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    found.environment = {name: "(set)" if "@" in value else value for name, value in values.items()}  # user:password@
    found.environment |= {name: "(set)" for name in SECRET if os.environ.get(name)}


def disk(found: Diagnosis) -> None:
    """Free space where weights are kept, and whether it can be written there."""
    from .. import weights

    home = weights.store().parent
    there = next(path for path in [home, *home.parents] if path.exists())
    usage = shutil.disk_usage(there)
    found.disk = {"path": str(home), "free": usage.free, "total": usage.total, "writable": os.access(there, os.W_OK)}
    if not there.is_dir() or not found.disk["writable"]:
        found.problems.append(f"{home} cannot be written; EDITMETRICS_HOME may name another folder")
    if usage.free < LITTLE:
        found.problems.append(f"{usage.free / 2**30:.1f} GB are free at {there}; weights may not fit")


def devices(found: Diagnosis, torch: subprocess.Popen[str]) -> None:
    """Where metrics compute, as the process that imports torch has said."""
    try:
        output, errors = torch.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        torch.kill()
        torch.communicate()
        found.problems.append(f"import torch, torchvision does not end within {PATIENCE:g} s; see what Ctrl+C shows")
        return
    if torch.returncode:
        last = (errors.strip().splitlines() or [f"exit code {torch.returncode}"])[-1]
        found.problems.append(f"torch and torchvision cannot be imported: {last}; install a pair that fits together")
        return
    found.devices = {"processors": os.cpu_count(), **json.loads(output.strip().splitlines()[-1])}


def folder_size(folder: Path, budget: float = BUDGET) -> tuple[int, bool]:
    """The bytes of all files under `folder`, links not followed, and whether there was time to count them all."""
    end, total = time.monotonic() + budget, 0
    for entry in _files(folder):
        total += entry
        if time.monotonic() > end:
            return total, False
    return total, True


def _files(folder: Path) -> Iterator[int]:
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.lstat(os.path.join(parent, name))
            except OSError:
                continue  # it went away meanwhile
            yield status.st_size


def _imported(names: list[str]) -> dict[str, str | None]:
    """Why each of these plugins cannot be used, or None; one that ends its process is found and passed over."""
    reasons: dict[str, str | None] = {}
    while left := [name for name in names if name not in reasons]:
        command = [sys.executable, "-c", _PLUGINS, json.dumps(left)]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter, our own script
                command, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
            output, ended = done.stdout, f"its import ends the program (exit code {done.returncode})"
        except subprocess.TimeoutExpired as error:
            output = (error.stdout or b"").decode() if isinstance(error.stdout, bytes) else error.stdout or ""
            ended = f"its import does not end within {PATIENCE:g} s"
        for line in output.splitlines():
            if line.startswith("editmetrics plugin "):
                name, reason = json.loads(line.removeprefix("editmetrics plugin "))
                reasons[name] = reason
        if unseen := [name for name in left if name not in reasons]:
            reasons[unseen[0]] = ended
    return reasons


def _started_torch() -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own interpreter, our own script
        [sys.executable, "-c", _DEVICES], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _guarded(name: str, found: Diagnosis, part: Callable[[Diagnosis], None]) -> None:
    try:
        part(found)
    except Exception as error:
        found.problems.append(f"{name} cannot be looked at: {type(error).__name__}: {error}")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _applies(requirement: Any, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _unmet(requirement: Any) -> Iterator[str]:
    """The requirement in words, unless a version is installed that meets it."""
    version = _version(requirement.name)
    if version is None or not requirement.specifier.contains(version, prereleases=True):
        yield f"{requirement.name}{requirement.specifier}"
