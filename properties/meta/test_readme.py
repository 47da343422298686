"""The README does what it says: its files are written, its commands run in order, and what it shows is what comes out.

A python block is a script; after a line that ends in "`name.py`:" it is written to that file first. In console and sh
blocks a line that begins with "$ " is a command, a backslash at its end goes on with the next line, and the lines
below it are its output, where "..." stands for any text and a line "..." for any lines. Commands that set the project
up ("git clone", "make", "cd") are left out. A command must end with 0 unless its output is shown.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"
NOT_RUN = ("make", "git clone", "cd ")
TIMEOUT = 600


@dataclass(frozen=True)
class Step:
    """A command and its shown output, or a file and its source."""

    line: int
    command: str
    shown: tuple[str, ...] = ()
    source: str = ""


def blocks(text: str) -> list[tuple[int, str, str, list[str]]]:
    """Fenced blocks: line of the fence, language, the last line of text before it, lines inside."""
    found: list[tuple[int, str, str, list[str]]] = []
    before = ""
    opened: tuple[int, str, str, list[str]] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if opened is None and line.startswith("```"):
            opened = (number, line.removeprefix("```").strip(), before, [])
        elif opened is not None and line.rstrip() == "```":
            found.append(opened)
            opened = None
        elif opened is not None:
            opened[3].append(line)
        elif line.strip():
            before = line.strip()
    assert opened is None, f"README.md:{opened[0]}: a block without an end" if opened else ""
    return found


def commands_of(fence: int, lines: list[str]) -> list[Step]:
    """The commands of a console block, each with the output shown below it."""
    steps: list[tuple[int, str, list[str]]] = []
    for number, line in enumerate(lines, start=fence + 1):
        if steps and steps[-1][1].endswith("\\"):
            steps[-1] = (steps[-1][0], steps[-1][1][:-1] + line.strip(), [])
        elif line.startswith("$ "):
            steps.append((number, line[2:].strip(), []))
        elif steps:
            steps[-1][2].append(line.rstrip())
    run = [step for step in steps if not step[1].startswith(NOT_RUN)]
    return [Step(number, command, tuple(shown)) for number, command, shown in run]


def steps_of(text: str) -> list[Step]:
    """Everything the README does, in its order."""
    steps: list[Step] = []
    for fence, language, before, lines in blocks(text):
        if language in {"console", "sh"}:
            steps += commands_of(fence, lines)
        elif language == "python":
            named = re.search(r"`([\w-]+\.py)`:$", before)
            name = named[1] if named else f"block_{fence}.py"
            steps.append(Step(fence, f"python {name}", source="\n".join([*lines, ""])))
    return steps


def pattern_of(shown: tuple[str, ...]) -> str:
    """The regular expression of shown output; spaces at line ends and empty lines around it do not count."""
    parts = []
    for line in "\n".join(shown).strip("\n").split("\n"):
        whole = line.strip() == "..."
        parts.append("(?:[^\n]*\n)*" if whole else ".*".join(map(re.escape, line.split("..."))) + "\n")
    return "".join(parts)


def matches(shown: tuple[str, ...], said: str) -> bool:
    lines = "\n".join(line.rstrip() for line in said.splitlines()).strip("\n")
    return re.fullmatch(pattern_of(shown), lines + "\n") is not None


STEPS = steps_of(README.read_text(encoding="utf-8")) if README.is_file() else []
ran: dict[Step, subprocess.CompletedProcess[str]] = {}

in_repository = pytest.mark.skipif(not README.is_file(), reason="not in a repository")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reader")


def run(step: Step, folder: Path, status: int) -> subprocess.CompletedProcess[str]:
    """Runs a step as a shell in the folder would, after a command that ended with `status`."""
    if step.source:
        (folder / step.command.removeprefix("python ")).write_text(step.source, encoding="utf-8")
    first = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", f"(exit {status})\n{step.command}"],
        cwd=folder,
        env=os.environ | {"PATH": first},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
    )


def ran_up_to(step: Step, folder: Path) -> subprocess.CompletedProcess[str]:
    """What a step said, once all steps before it have run: later ones use what earlier ones left."""
    status = 0
    for earlier in STEPS[: STEPS.index(step) + 1]:
        if earlier not in ran:
            ran[earlier] = run(earlier, folder, status)
        status = ran[earlier].returncode
    return ran[step]


@in_repository
def test_the_readme_has_commands_that_show_their_output_and_a_file_to_write() -> None:
    assert any(step.command.startswith("elbound ") and step.shown for step in STEPS)
    assert any(step.source and not step.command.startswith("python block_") for step in STEPS)


@in_repository
@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"line {step.line}: {step.command[:60]}")
def test_a_step_of_the_readme_does_what_is_shown(step: Step, folder: Path) -> None:
    found = ran_up_to(step, folder)
    if "\n".join(step.shown).strip():
        assert matches(step.shown, found.stdout), found.stdout
    else:
        assert found.returncode == 0, found.stdout


EXAMPLE = """
A file, `mine.py`:

```python
print("two")
```

```console
$ git clone somewhere
$ python mine.py
two
$ printf 'one\\ntwo 1.5 s\\nthree\\n'
one
two ... s
...
$ python -c \\
    "raise SystemExit(3)"
$ echo $?
3
```

```text
$ false
```
"""


def test_a_readme_is_read_into_files_commands_and_shown_output() -> None:
    steps = steps_of(EXAMPLE)
    assert [step.command for step in steps] == [
        "python mine.py",
        "python mine.py",
        "printf 'one\\ntwo 1.5 s\\nthree\\n'",
        'python -c "raise SystemExit(3)"',
        "echo $?",
    ]
    assert [step.line for step in steps] == [4, 10, 12, 16, 18]
    assert steps[0].source == 'print("two")\n'
    assert steps[2].shown == ("one", "two ... s", "...")


def test_commands_run_in_one_folder_and_see_the_status_before(tmp_path: Path) -> None:
    file, _, _, fails, asks = steps_of(EXAMPLE)
    assert run(file, tmp_path, 0).stdout == "two\n"
    assert run(fails, tmp_path, 0).returncode == 3
    assert run(asks, tmp_path, 3).stdout == "3\n"


@pytest.mark.parametrize(
    ("shown", "said", "same"),
    [
        (("one", "..."), "one\n", True),
        (("one", "..."), "one\ntwo\n", True),
        (("...", "two"), "one\ntwo\n", True),
        (("one", "...", "four"), "one\ntwo\nthree\nfour\n", True),
        (("a ... c",), "a b c\n", True),
        (("a.c",), "abc\n", False),
        (("one",), "one\ntwo\n", False),
        (("two",), "one\ntwo\n", False),
        (("a ... c",), "a b\nx c\n", False),
    ],
)
def test_shown_output_matches_only_what_it_stands_for(shown: tuple[str, ...], said: str, same: bool) -> None:
    assert matches(shown, said) is same
