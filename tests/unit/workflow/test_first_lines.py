"""The first lines of a run, and the options that Snakemake would drop."""

import shlex
from pathlib import Path

import pytest

from coco_dataset import dataset, in_folder
from visualsearch import fetch
from visualsearch.core.errors import InputError
from visualsearch.fetch.openpeople import list_images
from visualsearch.fetch.walk import pictures_in
from visualsearch.settings import DatasetSettings, DetectorSettings, Settings
from visualsearch.workflow.opening import opening_line, refuse_repeated_options, unasked_hours


@pytest.mark.parametrize(
    ("typed", "dropped", "instead"),
    [
        ("--configfile a.yaml -n --configfile b.yaml", "a.yaml", "--configfile a.yaml b.yaml"),
        ("--configfile=a --configfiles b c", "a", "--configfile a b c"),
        ("--configfile a b --configfile c", "a b", "--configfile a b c"),
        ("-C shards=1 -q --config k='{a: b}'", "shards=1", "--config shards=1 'k={a: b}'"),
    ],
)
def test_what_snakemake_would_drop_is_refused(typed: str, dropped: str, instead: str) -> None:
    with pytest.raises(InputError) as error:
        refuse_repeated_options(["snakemake", *shlex.split(typed)])
    assert f"take only the last, without {dropped}; " in str(error.value)
    assert str(error.value).endswith(f"write it once: {instead}")


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "--configfile a b --config c=1 d=2 --cores 1",
        "--cores 2 -- --configfile --configfile",
        "--config-one --configfile a --conf",
    ],
)
def test_other_commands_pass(typed: str) -> None:
    refuse_repeated_options(["snakemake", *typed.split()])


def test_the_first_line_says_what_will_run(pictures: Path) -> None:
    line = opening_line(Settings(), "results/x", ["config/config.yaml", "--config shards"])
    assert line == (
        "This run: source coco-minitrain, at most 25,000 pictures; detector "
        "fasterrcnn_resnet50_fpn; results in results/x; configured by "
        "config/config.yaml, --config shards"
    )
    here = Settings(
        dataset=in_folder(pictures), detector=DetectorSettings(name="fcos_resnet50_fpn")
    )
    assert opening_line(here, "r", []) == (
        f"This run: source folder ({pictures}), {len(pictures_in(pictures))} pictures;"
        " detector fcos_resnet50_fpn; results in r"
    )
    assert "results in a\\nb" in opening_line(here, "a\nb", []), "one line, whatever the names"
    dogs = Settings(dataset=DatasetSettings("folder", "dog", folder=in_folder("s3://b/x").folder))
    assert opening_line(dogs, "s3://b/r", []) == (
        "This run: source folder (s3://b/x); category dog; detector fasterrcnn_resnet50_fpn;"
        " results in s3://b/r"
    )


def test_pictures_are_counted_where_they_are_known(tmp_path: Path) -> None:
    openpeople = dataset("openpeople")
    assert fetch.count(openpeople) == len(list_images(openpeople, tmp_path).images)
    assert fetch.count(dataset("openpeople", max_images=7)) == 7
    assert fetch.count(DatasetSettings("coco-val2017")) == 5000
    assert fetch.count(DatasetSettings("coco-val2017", max_images=200)) == 200
    own = dataset("coco-val2017", coco={"annotations": "own.json", "annotations_sha256": None})
    assert fetch.count(own) is None
    assert fetch.count(in_folder(tmp_path / "absent")) is None


def test_only_the_whole_of_minitrain_is_a_run_of_hours() -> None:
    (line,) = unasked_hours(Settings())
    assert "--configfile config/demo.yaml" in line and "hours" in line
    for other in (DatasetSettings(max_images=50), DatasetSettings("openpeople")):
        assert unasked_hours(Settings(dataset=other)) == []
