"""The code blocks of a page: the files that they write, and the sessions that they show.

A python or ini block names its file in its first line: `# shop.py` is the whole file, `# shop.py: add`
goes to its end, `# shop.py: instead of X` takes the place of the line X. In a console block, what
follows `$ ` is a command and the rest is what it prints; … stands for anything, a line of it for any
lines. Ids, times and workers' names are compared by shape only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r"# ([\w./-]+\.\w+)(: add|: instead of (.+))?")
_SHAPES = [
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r"\bdev-[\w.]+-\d+"), "<worker>"),
    (re.compile(r"\d+\.\d+s\b"), "<seconds>"),
    (re.compile(r"─+"), "─"),
    (re.compile(r"\s+"), " "),
]


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a session, and what it prints."""

    command: str
    output: str


def text(page: str) -> str:
    """A page in docs/."""
    return (DOCS / page).read_text()


def sections(page: str) -> list[str]:
    """What is between the headings of the second level."""
    return text(page).split("\n## ")


def blocks(part: str) -> list[Block]:
    """The fenced blocks of a page or of a part of one, in order."""
    return [Block(*found) for found in _BLOCK.findall(part)]


def title(block: Block) -> re.Match[str] | None:
    """What the block's first line says of its file."""
    return _TITLE.fullmatch(block.text.partition("\n")[0])


def write_files(page: str, folder: Path) -> None:
    """Write the files of a page as they are at its end."""
    for block in blocks(text(page)):
        if block.language not in ("python", "ini"):
            continue
        said = title(block)
        assert said is not None, f"a block without its file's name:\n{block.text}"
        file, how, replaced = folder / said[1], said[2], said[3]
        code = block.text.partition("\n")[2]
        if how is None:
            assert not file.exists(), f"{file.name} is there twice"
            file.write_text(code)
        elif replaced is None:
            file.write_text(f"{file.read_text()}\n\n{code}")
        else:
            before, line, after = file.read_text().partition(f"\n{replaced}\n")
            assert line, f"{file.name} has no line {replaced!r}"
            file.write_text(f"{before}\n{code}{after}")


def sessions(part: str) -> Iterator[Step]:
    """The commands of a page or of a part of one, in order."""
    for block in blocks(part):
        if block.language == "console":
            assert block.text.startswith("$ "), f"a session without a command:\n{block.text}"
            for step in block.text[2:].split("\n$ "):
                command, _, output = step.partition("\n")
                yield Step(command.strip(), output)


def shape(output: str) -> list[str]:
    """The lines of an output, without what differs from run to run."""
    lines = []
    for line in output.splitlines():
        plain = line
        for pattern, stand_in in _SHAPES:
            plain = pattern.sub(stand_in, plain)
        lines.append(plain.strip())
    return [line for line in lines if line]


def printed_as_shown(step: Step, output: str) -> bool:
    """True if a command printed what the page shows."""
    pattern = ""
    for line in shape(step.output):
        if line == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += re.escape(line).replace("…", ".*") + r"\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in shape(output))) is not None
