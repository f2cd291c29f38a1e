"""A rule's digest changes with what its script and modules do, and with nothing else."""

import shutil
from collections.abc import Callable, Iterator
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
        assert f'library=library("{rule}")' in text
        assert f'"../scripts/{rule}.py"' in text


def test_modules_without_influence_are_there() -> None:
    assert all((digests.PACKAGE / name).is_file() for name in digests.WITHOUT_INFLUENCE)


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], set[str]]]:
    """The rules whose digest differs from that of the project, with a copy of it in tmp_path."""

    def clear_caches() -> None:
        for cached in (digests.imported_names, digests._modules, digests._meaning):
            cached.cache_clear()

    def rules() -> set[str]:
        clear_caches()
        return {r for r in RULES if digests.digest(tmp_path / f"{r}.py") != before[r]}

    before = {rule: digests.digest(SCRIPTS / f"{rule}.py") for rule in RULES}
    shutil.copytree(SCRIPTS, tmp_path, dirs_exist_ok=True)
    with monkeypatch.context() as patch:
        patch.setattr(digests, "PACKAGE", tmp_path / "visualsearch")
        yield rules
    clear_caches()


def test_comments_and_docstrings_anywhere_change_nothing(
    changed: Callable[[], set[str]], tmp_path: Path
) -> None:
    for file in tmp_path.rglob("*.py"):
        text = file.read_text().replace('"""', '"""Another. ', 1)
        file.write_text(f"# A comment.\n\n{text}\n# Another.\n")
    for name in digests.WITHOUT_INFLUENCE:
        (tmp_path / "visualsearch" / name).open("a").write("\nANOTHER = 1\n")
    assert changed() == set()


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
    file: str, rules: set[str], changed: Callable[[], set[str]], tmp_path: Path
) -> None:
    (tmp_path / "visualsearch" / file).open("a").write("\nANOTHER = 1\n")
    assert changed() == rules


def test_a_changed_constant_counts(changed: Callable[[], set[str]], tmp_path: Path) -> None:
    file = tmp_path / "visualsearch/index/annoy_backend.py"
    text = file.read_text()
    name = next(line for line in text.splitlines() if line[:1].isupper() and " = " in line)
    file.write_text(text.replace(name, name.partition(" = ")[0] + " = 12345"))
    assert {"build_index", "search_persons"} <= changed()
