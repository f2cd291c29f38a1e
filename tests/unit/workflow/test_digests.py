"""What a script uses is found, however it is imported."""

from pathlib import Path

import pytest

from conftest import ROOT
from visualsearch.workflow import digests

SCRIPTS = ROOT / "workflow/scripts"


def names(script: str) -> set[str]:
    package = digests.PACKAGE
    return {str(p.relative_to(package)) for p in digests.modules_of(SCRIPTS / script)}


def test_modules_imported_in_functions_are_found() -> None:
    assert {"detectors/ssdlite.py", "detectors/torchvision_models.py"} <= names("detect_persons.py")
    assert {"index/annoy_backend.py", "index/exact_backend.py"} <= names("search_persons.py")
    assert {"sources/coco.py", "sources/folder.py"} <= names("fetch_images.py")


def test_what_a_script_does_not_use_is_not_among_them() -> None:
    assert not {"embedding.py", "index/__init__.py", "sources/coco.py"} & names("detect_persons.py")
    assert "detectors/torchvision_models.py" not in names("reduce_vectors.py")


def test_every_rule_has_its_script_and_its_modules() -> None:
    rules = [p.stem for p in SCRIPTS.glob("*.py")]
    text = "".join(p.read_text() for p in (ROOT / "workflow/rules").glob("*.smk"))
    for rule in rules:
        assert f"rule {rule}:" in text
        assert f'library=library("{rule}")' in text
        assert f'"../scripts/{rule}.py"' in text


def test_digest_changes_with_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "visualsearch"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("from visualsearch.b import f\n")
    (package / "b.py").write_text("def f(): return 1\n")
    script = tmp_path / "script.py"
    script.write_text("def main():\n    import visualsearch.a\n")
    monkeypatch.setattr(digests, "PACKAGE", package)
    before = digests.digest(script)
    assert before == digests.digest(script)
    (package / "b.py").write_text("def f(): return 2\n")
    assert before != digests.digest(script)
