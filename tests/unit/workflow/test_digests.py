"""A rule's digest changes with what its script and modules do, and with nothing else."""

import re
import shutil
from pathlib import Path

import pytest

from conftest import ROOT
from visualsearch.workflow import digests

SCRIPTS = ROOT / "workflow/scripts"
RULES = sorted(path.stem for path in SCRIPTS.glob("*.py"))


def names(script: str) -> set[str]:
    modules = digests.modules_of(SCRIPTS / script, digests.WITHOUT_INFLUENCE)
    return {str(module.relative_to(digests.PACKAGE)) for module in modules}


def test_modules_imported_in_functions_are_found() -> None:
    assert {"detect/ssdlite.py", "detect/torchvision_models.py"} <= names("detect_persons.py")
    assert {"index/annoy_backend.py", "index/exact_backend.py"} <= names("search_persons.py")
    assert {"fetch/coco.py", "fetch/folder.py"} <= names("fetch_images.py")


def test_what_a_script_does_not_use_is_not_among_them() -> None:
    others = {"embed/embedding.py", "index/__init__.py", "fetch/coco.py"}
    assert not (others | set(digests.WITHOUT_INFLUENCE)) & names("detect_persons.py")
    assert "detect/torchvision_models.py" not in names("reduce_vectors.py")


def test_every_rule_has_its_script_and_its_modules() -> None:
    text = "".join(p.read_text() for p in (ROOT / "workflow/rules").glob("*.smk"))
    for rule in RULES:
        assert f"rule {rule}:" in text
        name = rule.upper()
        assert re.search(rf'{name} = record\(\s*"{rule}"', text)
        assert f"settings=record_file({name})" in text and f"settings={name}.values" in text
        assert f'"../scripts/{rule}.py"' in text


def test_modules_without_influence_are_there() -> None:
    assert all((digests.PACKAGE / name).is_file() for name in digests.WITHOUT_INFLUENCE)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(SCRIPTS, tmp_path_factory.mktemp("copy"), dirs_exist_ok=True)


def clear_caches() -> None:
    for cached in (digests._modules, digests._read):
        cached.cache_clear()


def digests_in(folder: Path) -> dict[str, str]:
    clear_caches()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digests, "PACKAGE", folder / "visualsearch")
        found = {rule: digests.digest(folder / f"{rule}.py") for rule in RULES}
    clear_caches()
    return found


@pytest.fixture(scope="module")
def before(copy: Path) -> dict[str, str]:
    found = digests_in(SCRIPTS)
    assert found == digests_in(copy)
    return found


def changed_by(before: dict[str, str], copy: Path, edits: dict[Path, str]) -> set[str]:
    """The rules whose digest differs while the files have other texts."""
    texts = {file: file.read_text() for file in edits}
    for file, text in edits.items():
        file.write_text(text)
    after = digests_in(copy)
    for file, text in texts.items():
        file.write_text(text)
    return {rule for rule in RULES if after[rule] != before[rule]}


def test_comments_and_docstrings_anywhere_change_nothing(
    before: dict[str, str], copy: Path
) -> None:
    edits = {
        file: "# A comment.\n\n"
        + file.read_text().replace('"""', '"""Another. ', 1)
        + "\n# Another.\n"
        for file in copy.rglob("*.py")
    }
    for name in digests.WITHOUT_INFLUENCE:
        edits[copy / "visualsearch" / name] += "\nANOTHER = 1\n"
    assert changed_by(before, copy, edits) == set()


@pytest.mark.parametrize(
    ("file", "rules"),
    [
        ("core/files.py", set(RULES)),
        ("fetch/openpeople.py", {"fetch_annotations", "fetch_images"}),
        ("reduce/fit_pca.py", {"fit_pca"}),
        ("explorer/templates/map.js", {"build_explorer"}),
    ],
)
def test_a_change_reruns_what_uses_it(
    before: dict[str, str], copy: Path, file: str, rules: set[str]
) -> None:
    path = copy / "visualsearch" / file
    assert changed_by(before, copy, {path: path.read_text() + "\nANOTHER = 1\n"}) == rules


def test_a_changed_constant_counts(before: dict[str, str], copy: Path) -> None:
    path = copy / "visualsearch/index/annoy_backend.py"
    text = re.sub(r"(?m)^([A-Z_]+) = .*$", r"\1 = 12345", path.read_text(), count=1)
    assert {"build_index", "search_persons"} <= changed_by(before, copy, {path: text})
