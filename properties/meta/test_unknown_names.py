"""Names that nobody knows, options that help, and what a user's experiment prints."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from elbound.properties.cli import build_parser
from elbound.properties.docket import select
from elbound.properties.unknown import SHOWN, BadInput, unknown
from elbound.theory.catalogue import catalogue

ELBOUND = (sys.executable, "-m", "elbound.properties")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("estimators/unbaised", "estimators/unbiased"),
        ("unbiased", "estimators/unbiased"),
        ("soft-cliping", "smoothness/soft-clipping"),
        ("descent/sgd_sharp", "descent/sgd-sharp"),
    ],
)
def test_a_name_that_is_not_known_comes_with_the_few_that_were_meant(written: str, meant: str) -> None:
    with pytest.raises(BadInput) as failure:
        select((written,))
    said = str(failure.value)
    assert said.startswith(f"claim {written!r}: unknown; did you mean ")
    assert meant in said
    assert said.endswith("all: elbound list")
    assert len(said) < 400
    assert sum(x.key in said for x in {y.key: y for y in catalogue()}.values()) <= SHOWN


def test_a_name_like_no_other_is_told_how_to_list_all() -> None:
    assert unknown("name", "zzzzqqq", ["alpha", "beta"], "elbound list") == "name 'zzzzqqq': unknown; all: elbound list"


def test_every_option_of_every_command_says_what_it_does() -> None:
    commands = next(x for x in build_parser()._actions if isinstance(x.choices, dict)).choices
    assert isinstance(commands, dict)
    for name, command in commands.items():
        silent = [x.option_strings for x in command._actions if x.option_strings and not x.help]
        assert not silent, name


PRINTS = """
from elbound.properties.experiments.soft_clip import SoftClipShape

JUDGED_BY = ("smoothness/soft-clipping/below",)

class Clip(SoftClipShape):
    key, title, faults = "own/clip", "a clip that talks", {}
    def measure(self, configuration, context, fault=""):
        print("from measure", flush=True)
        return super().measure(configuration, context)

CLIP = Clip()
print("from the file", flush=True)
"""


def test_what_an_experiment_prints_is_no_part_of_the_json(tmp_path: Path) -> None:
    (tmp_path / "talks.py").write_text(PRINTS, encoding="utf-8")
    words = ("check", "talks.py", "--profile", "quick", "--workers", "1", "--json", "--output", "out")
    root = str(Path(__file__).parents[2] / ".ns")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.environ.get("PYTHONPATH", root)}
    found = subprocess.run(
        [*ELBOUND, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    summary = json.loads(found.stdout)
    assert [x["part"] for x in summary["claims"]] == ["smoothness/soft-clipping/below"]
    assert "from measure" in found.stderr
    assert "from the file" in found.stderr
