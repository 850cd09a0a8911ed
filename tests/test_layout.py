"""The house rules that a machine can hold: which way imports run, what is light, what is safe."""

import ast
import re
from pathlib import Path

import pytest

from tests.sources import tree_of

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "editmetrics"
FILES = sorted(PACKAGE.rglob("*.py"))

FLOORS = {
    "sample": 0, "clean_room": 0, "late_checks": 0, "machine": 0, "transfer": 0, "wording": 0, "lazy_table": 0,
    "files": 1, "options": 1, "batches": 1, "metric": 1, "learned_metric": 1,
    "file_hashes": 1, "downloads": 2, "hub": 2, "checkpoints": 2, "weights": 2, "moved_weights": 2,
    "images": 2,
    "data": 3, "agreement": 4, "pairs": 4, "judge": 5, "mllm": 6, "served": 6,
    "bases": 7, "plugins": 8, "conventions": 8,
    "allowed": 9, "builtin": 9, "unknown_names": 9, "registry": 9,
    "listing": 10, "choosing": 10, "describe": 10, "suites": 10, "scaffold": 10,
    "scoring": 11,
    "runs": 12, "evaluation": 12, "combining": 12, "serving": 12, "rewards": 12, "rating": 12, "tracking": 12,
    "demo": 13, "tables": 13, "report": 14, "benchmarks": 15, "publishing": 15, "testing": 16,
    "command_line": 17, "studies": 17, "plugin command": 17,
    "cli": 19, "diagnosis": 19, "selftest": 19, "__main__": 20,
}  # fmt: skip
"""Each part of the house stands on a floor, and imports from its own floor or those below."""

HEAVY = {
    "torch",
    "torchvision",
    "transformers",
    "peft",
    "timm",
    "open_clip",
    "lpips",
    "scipy",
    "sklearn",
    "polars",
    "pydantic",
    "PIL",
    "simplejpeg",
    "pillow_heif",
    "pillow_jxl",
    "matplotlib",
    "openai",
    "json_repair",
    "openpyxl",
    "safetensors",
    "accelerate",
    "ray",
    "fastapi",
    "uvicorn",
    "httpx",
    "prometheus_client",
}


def part(path):
    """Return the part of the house that a file belongs to; the commands of single methods are one of their own."""
    parts = path.relative_to(PACKAGE).parts
    if "conformance" in parts[:-1]:  # what plugins tell the kit
        return "testing"
    return "plugin command" if parts[0] == "plugins" and path.name == "command.py" else parts[0].removesuffix(".py")


def _is_type_checking(test):
    return "TYPE_CHECKING" in {getattr(test, "id", None), getattr(test, "attr", None)}


def imports(path, top_only=False):
    """The modules that a file imports, absolute; those under `if TYPE_CHECKING` are not imported."""
    tree = tree_of(path)
    checked_only = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.If) and _is_type_checking(node.test)
                    for statement in node.body for inner in ast.walk(statement)}  # fmt: skip
    nodes = [node for node in (tree.body if top_only else ast.walk(tree)) if id(node) not in checked_only]
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downwards(path):
    if part(path) == "__init__":
        return
    for module in imports(path):
        words = module.split(".")
        if words[0] == "editmetrics" and len(words) > 1 and words[1] in FLOORS:
            assert FLOORS[words[1]] <= FLOORS[part(path)], f"{part(path)} imports {module}"


def test_every_part_has_a_floor():
    assert {part(path) for path in FILES} - {"__init__"} == FLOORS.keys()


INSIDE_ONLY = {
    "mllm/growing_cache.py",
    "mllm/heads.py",
    "mllm/loop.py",
    "mllm/mplug_owl2/language.py",
    "mllm/mplug_owl2/vision.py",
    "mllm/recurrent_cache.py",
    "plugins/ds_ieqa/learner.py",
    "plugins/epaiqa/learner.py",
    "plugins/hpe_lsa/contrastive.py",
    "plugins/hpe_lsa/decoders.py",
    "plugins/hpe_lsa/joint.py",
    "plugins/image_regressor/backbones.py",
    "plugins/image_regressor/heads.py",
    "plugins/image_regressor/learner.py",
    "plugins/image_regressor/network.py",
    "plugins/image_regressor/parts/attention.py",
    "plugins/image_regressor/parts/bilinear.py",
    "plugins/image_regressor/parts/channel_attention.py",
    "plugins/image_regressor/parts/hyper.py",
    "plugins/image_regressor/parts/layout.py",
    "plugins/image_regressor/parts/multi_scale.py",
    "plugins/image_regressor/parts/pooling.py",
    "plugins/image_regressor/parts/scale_tokens.py",
    "plugins/image_regressor/parts/stairs.py",
    "plugins/image_regressor/parts/texts.py",
    "plugins/image_regressor/parts/top_down.py",
    "plugins/inception_network.py",
    "plugins/lmm4lmm/learner.py",
    "serving/app.py",
    "serving/connection.py",
    "serving/reading.py",
    "serving/statistics.py",
}
"""Modules whose classes derive from torch's, or whose types FastAPI reads: they import it at the top, and are imported
inside functions only."""

LIGHT = [
    path
    for path in FILES
    if part(path) not in ("report", "testing") and path.relative_to(PACKAGE).as_posix() not in INSIDE_ONLY
]


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_heavy_import_at_the_top(path):
    found = {module.split(".")[0] for module in imports(path, top_only=True)} & HEAVY
    assert not found


def test_the_engine_knows_no_metric():
    from editmetrics.agreement.measures import MEASURES  # "mae" is a metric, and a measure of agreement
    from editmetrics.registry import BUILTIN

    names = BUILTIN.keys() - set(MEASURES) - {"mps"}  # also Apple's device
    for path in [
        *(PACKAGE / "scoring").glob("*.py"),
        *(PACKAGE / "runs").glob("*.py"),
        *(PACKAGE / "tables").glob("*.py"),
        *(PACKAGE / "report").glob("*.py"),
        *(PACKAGE / "cli").glob("*.py"),
        *(PACKAGE / "command_line").glob("*.py"),
    ]:
        tree = tree_of(path)
        documentation = {ast.get_docstring(node, clean=False) for node in ast.walk(tree)
                         if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))}  # fmt: skip
        texts = {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert not names & (texts - documentation), path


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_unsafe_is_called(path):
    text = path.read_text(encoding="utf-8")
    for call in re.findall(r"torch\.load\([^)]*\)", text):
        assert "weights_only=True" in call
    text = text.replace("pickle.loads(pickle.dumps(metric))", "")  # the kit reads what it has just written
    assert not re.search(r"pickle\.loads?\(|trust_remote_code=True|\beval\(\"|\bexec\(|shell=True|yaml\.load\(", text)
    assert not re.search(r"except( Exception)?:\s*\n?\s*pass\b", text)


@pytest.mark.parametrize(
    "path", [p for p in FILES if part(p) != "cli"], ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_libraries_do_not_print(path):
    tree = tree_of(path)
    calls = [node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    assert "print" not in calls


ROOM = {"__init__.py", "reader.py", "protocol.py", "published.csv", "small_copy.py"}
"""What the folder of a data set holds, and perhaps more."""


def rooms():
    from editmetrics.agreement.protocols import ROOMS

    return sorted(ROOMS.values())


def test_every_data_set_is_one_room_with_the_same_files():
    folder = PACKAGE / "benchmarks"
    for room in rooms():
        assert {path.name for path in (folder / room).iterdir()} - {"__pycache__"} >= ROOM, room
    assert {path.name for path in folder.iterdir() if (path / "reader.py").exists()} == {*rooms(), "qbench"}


def test_nothing_of_a_data_set_lies_outside_its_room():
    """But for the one list of data sets: neither a module of its name, nor an import, nor its name in a text."""
    table = PACKAGE / "agreement" / "protocols" / "__init__.py"
    names = {*rooms(), *(room.replace("_", "-") for room in rooms())}
    for path in FILES:
        room = path.parent.name if path.parent.parent == PACKAGE / "benchmarks" else None
        others = names - {room, str(room).replace("_", "-")}
        if path != table:
            texts = {node.value for node in ast.walk(tree_of(path))
                     if isinstance(node, ast.Constant) and isinstance(node.value, str)}  # fmt: skip
            modules = {word for module in imports(path) for word in module.split(".")}
            assert not others & (texts | modules | {path.stem}), path


def test_the_wheel_ships_the_registry_of_weights():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text.split("[tool.hatch.build.targets.wheel.force-include]")[1].split("[")[0]
    assert '"weights_registry.json" = "editmetrics/weights_registry.json"' in section


def test_the_package_ships_no_training_histories():
    assert list(PACKAGE.rglob("history.jsonl")) == []


def test_every_link_in_the_docs_leads_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
