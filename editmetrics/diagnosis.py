"""Diagnose the installation as plain data, for `editmetrics doctor`. A part that cannot be examined is a problem too.

Heavy and fragile libraries are imported in another process, since a broken one may end its process.
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
"""Variables whose values are not shown."""

PATIENCE = 60.0
"""Time limit of a process that imports torch or plugins, in seconds."""

BUDGET = 1.0
"""Time limit for adding up the size of one folder, in seconds; beyond it the size is a lower bound."""

LITTLE = 2 * 2**30
"""Free disk space below which to warn, in bytes."""

_DEVICES = """
import json, sys
import torch, torchvision
devices = {"torch": torch.__version__, "threads": torch.get_num_threads(), "gpus": [], "mps": False}
if torch.cuda.is_available():
    for number in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(number)
        devices["gpus"].append({"name": about.name, "gigabytes": round(about.total_memory / 2**30, 1)})
devices["cuda"] = torch.version.cuda
devices["mps"] = bool(getattr(torch.backends, "mps", None) and torch.backends.mps.is_available())
print(json.dumps(devices))
"""


_PLUGINS = """
import json, sys
from editmetrics.cli import CommandError, load
from editmetrics.registry import BrokenPluginError, metric_class
for name in json.loads(sys.argv[2]):
    try:
        {"metric": metric_class, "command": load}[sys.argv[1]](name)
        reason = None
    except (BrokenPluginError, CommandError) as error:
        reason = str(error).partition("cannot be used: ")[2]
    print("\\neditmetrics plugin", json.dumps([name, reason]), flush=True)
"""


@dataclass
class Diagnosis:
    """State of the installation, and `problems`: a line for each broken thing, with a remedy."""

    versions: dict[str, str | None] = field(default_factory=dict)
    extras: list[dict[str, Any]] = field(default_factory=list)
    devices: dict[str, Any] = field(default_factory=dict)
    plugins: list[dict[str, Any]] = field(default_factory=list)
    commands: list[dict[str, Any]] = field(default_factory=list)
    allowed: dict[str, str] = field(default_factory=dict)
    bridges: list[dict[str, Any]] = field(default_factory=list)
    weights: dict[str, Any] = field(default_factory=dict)
    caches: list[dict[str, Any]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    disk: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def diagnose() -> Diagnosis:
    """Examine everything; a part that cannot be examined is a problem, and does not affect the others."""
    diagnosis = Diagnosis()
    torch = _started_torch()
    parts: tuple[Callable[[Diagnosis], None], ...] = (
        versions, requirements, plugins, commands, allowed_names, bridges, weights, caches, environment, disk,
    )  # fmt: skip
    for part in parts:
        _guarded(part.__name__.replace("_", " "), diagnosis, part)
    _guarded("devices", diagnosis, lambda diagnosis: devices(diagnosis, torch))
    return diagnosis


def versions(diagnosis: Diagnosis) -> None:
    """Versions of editmetrics, Python and the main packages."""
    from . import __version__

    diagnosis.versions = {
        "editmetrics": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    diagnosis.versions |= {name: _version(name) for name in SHOWN}


def requirements(diagnosis: Diagnosis) -> None:
    """Requirements of the package and of each extra: installed, in an accepted version."""
    try:
        required = importlib.metadata.requires("editmetrics") or []
        extras = importlib.metadata.metadata("editmetrics").get_all("Provides-Extra") or []
    except importlib.metadata.PackageNotFoundError:
        diagnosis.problems.append("editmetrics is not installed but runs from a folder: pip install -e FOLDER")
        return
    from packaging.requirements import Requirement

    wanted = [Requirement(text) for text in required]
    unmet = [text for one in wanted if _applies(one, "") for text in _unmet(one)]
    if unmet:
        advice = " ".join(f"'{one}'" for one in unmet)
        diagnosis.problems.append(f"missing or outdated requirements: pip install {advice}")
    for extra in extras:
        missing = [text for one in wanted if _applies(one, extra) and not _applies(one, "") for text in _unmet(one)]
        diagnosis.extras.append({"extra": extra, "missing": missing, "pip": f"pip install 'editmetrics[{extra}]'"})


def plugins(diagnosis: Diagnosis) -> None:
    """Third-party metrics: usable, or broken and why."""
    from .registry import plugin_names, providers_of, refused_plugins

    reasons: dict[str, str | None] = {plugin.name: plugin.reason for plugin in refused_plugins()}
    for name, reason in sorted((reasons | _imported("metric", plugin_names())).items()):
        package = ", ".join(f"{package} {version}" for package, version in providers_of(name).items())
        diagnosis.plugins.append({"name": name, "package": package, "broken": reason})
        if reason is not None:
            diagnosis.problems.append(f"the metric {name} of {package} cannot be used: {reason}")


def commands(diagnosis: Diagnosis) -> None:
    """Third-party commands: usable, or broken and why."""
    from .cli import package_of, plugin_commands, refusal

    reasons = {name: refusal(name) for name in plugin_commands()}
    reasons |= _imported("command", [name for name, reason in reasons.items() if reason is None])
    for name, reason in reasons.items():
        package = package_of(name)
        diagnosis.commands.append({"name": name, "package": package, "broken": reason})
        if reason is not None:
            diagnosis.problems.append(f"the command {name} of {package} cannot be used: {reason}")


def allowed_names(diagnosis: Diagnosis) -> None:
    """Built-in names that plugins are allowed to take."""
    from .allowed import allowed
    from .registry import providers_of

    diagnosis.allowed = allowed()
    for name, package in diagnosis.allowed.items():
        if package not in providers_of(name):
            diagnosis.problems.append(
                f"{name} is allowed to the package {package}, which is not installed or does not provide it, so the "
                f"built-in {name} is used; install it, or 'editmetrics plugin forbid {name}'"
            )


def bridges(diagnosis: Diagnosis) -> None:
    """Libraries with a bridge."""
    from .describe import bridges

    diagnosis.bridges = bridges()


def weights(diagnosis: Diagnosis) -> None:
    """Checkpoints on this machine, and registries that cannot be read."""
    from . import weights

    names = list(weights.registered())
    present = [name for name in names if weights.find(name) is not None]
    diagnosis.weights = {"registered": len(names), "here": present, "folder": str(weights.store())}
    diagnosis.problems += [f"a registry of weights is broken: {sentence}" for sentence in weights.broken_registries()]


def caches(diagnosis: Diagnosis) -> None:
    """Folders that grow: those in $EDITMETRICS_HOME, and the download folders of libraries."""
    from . import weights

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
        diagnosis.caches.append({"cache": name, "path": str(path), "bytes": size, "complete": complete})
    judge = home / "judge" / "answers.sqlite"
    if judge.exists():
        from .judge import Cache

        kept = sum(line.answers for line in Cache(judge).summary())
        diagnosis.caches.append({"cache": "judge's answers", "path": str(judge), "answers": kept})


def environment(diagnosis: Diagnosis) -> None:
    """Environment variables with an effect; keys are shown as set, without their value."""
    values = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    diagnosis.environment = {
        name: "(set)" if "@" in value else value for name, value in values.items()
    }  # user:password@
    diagnosis.environment |= {name: "(set)" for name in SECRET if os.environ.get(name)}


def disk(diagnosis: Diagnosis) -> None:
    """Free space in the folder of weights, and whether it is writable."""
    from . import weights

    home = weights.store().parent
    folder = next(path for path in [home, *home.parents] if path.exists())
    usage = shutil.disk_usage(folder)
    diagnosis.disk = {
        "path": str(home),
        "free": usage.free,
        "total": usage.total,
        "writable": os.access(folder, os.W_OK),
    }
    if not folder.is_dir() or not diagnosis.disk["writable"]:
        diagnosis.problems.append(f"{home} is not writable; set EDITMETRICS_HOME to another folder")
    if usage.free < LITTLE:
        diagnosis.problems.append(f"{usage.free / 2**30:.1f} GB are free in {folder}; weights may not fit")


def devices(diagnosis: Diagnosis, torch: subprocess.Popen[str]) -> None:
    """Devices that metrics compute on, as the process that imports torch reports them."""
    try:
        output, errors = torch.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        torch.kill()
        torch.communicate()
        diagnosis.problems.append(f"import torch, torchvision takes more than {PATIENCE:g} s; try it in Python")
        return
    if torch.returncode:
        last = (errors.strip().splitlines() or [f"exit code {torch.returncode}"])[-1]
        diagnosis.problems.append(f"torch and torchvision cannot be imported: {last}; install matching versions")
        return
    diagnosis.devices = {"processors": os.cpu_count(), **json.loads(output.strip().splitlines()[-1])}


def folder_size(folder: Path, budget: float = BUDGET) -> tuple[int, bool]:
    """Return the bytes of all files under `folder`, without following links, and whether all were counted in time."""
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
                continue  # deleted meanwhile
            yield status.st_size


def _imported(kind: str, names: list[str]) -> dict[str, str | None]:
    """Return why each of these plugins' metrics or commands cannot be used, or None; one may end its process."""
    reasons: dict[str, str | None] = {}
    while left := [name for name in names if name not in reasons]:
        command = [sys.executable, "-c", _PLUGINS, kind, json.dumps(left)]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter, our own script
                command, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
            output, ended = done.stdout, f"its import ends the program (exit code {done.returncode})"
        except subprocess.TimeoutExpired as error:
            output = (error.stdout or b"").decode() if isinstance(error.stdout, bytes) else error.stdout or ""
            ended = f"its import takes more than {PATIENCE:g} s"
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


def _guarded(name: str, diagnosis: Diagnosis, part: Callable[[Diagnosis], None]) -> None:
    try:
        part(diagnosis)
    except Exception as error:
        diagnosis.problems.append(f"{name} cannot be examined: {type(error).__name__}: {error}")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _applies(requirement: Any, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _unmet(requirement: Any) -> Iterator[str]:
    """Yield the requirement, unless an installed version meets it."""
    version = _version(requirement.name)
    if version is None or not requirement.specifier.contains(version, prereleases=True):
        yield f"{requirement.name}{requirement.specifier}"
