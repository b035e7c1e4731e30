"""The house rules that no linter knows, as tests over the files of the repository.

Files are found by walking, not by asking git: a new file is examined before it is committed, and so is a copy without
history. Each finder is first shown an offence, so that a rule cannot hold by finding nothing.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("domain", "projections", "adapters", "services")
MOST_LINES = 700
# What is not ours or not source: hidden tools' folders, what .gitignore keeps out, and the licence's own words.
NOT_OURS = {"data", "demo-data", "build", "dist", "LICENSE"}
HIDDEN_BUT_OURS = {".ci", ".pre-commit-config.yaml", ".editorconfig", ".gitattributes", ".gitignore", ".dockerignore"}

# What the pure rooms may import beside the standard library and what stands below them. `dateutil`: decision 0008.
ALLOWED = {"domain": {"domain", "msgspec", "dateutil"}, "projections": {"projections", "domain", "msgspec"}}
# Calls by which a clock or chance would come in; both are handed in.
IMPURE_CALLS = {"now", "utcnow", "today", "uuid1", "uuid4", "getenv"}

# Written so that this file does not offend against its own rule.
UNFINISHED = re.compile(r"\b(T[O]DO|F[I]XME|X{3})\b")
MACHINE_PATH = re.compile(r"(?<![\w.~$}-])/(?:work|tmp|root|(?:home|Users)/\w+)/")
SUPPRESSION = re.compile(r"#\s*(?:noqa(?::\s*[A-Z]+[0-9]+(?:[\s,]+[A-Z]+[0-9]+)*)?|type:\s*ignore(?:\[[^\]]*\])?)", re.IGNORECASE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.DOTALL | re.MULTILINE)


def is_ours(top: Path) -> bool:
    """Is this entry of the repository's top folder source of ours?"""
    return top.name in HIDDEN_BUT_OURS or not (top.name.startswith(".") or top.name in NOT_OURS or top.suffix == ".egg-info")


def our_files() -> list[Path]:
    """Every file of ours, in order."""
    tops = [top for top in ROOT.iterdir() if is_ours(top)]
    found = [file for top in tops for file in ([top] if top.is_file() else top.rglob("*")) if file.is_file()]
    return sorted(file for file in found if "__pycache__" not in file.parts)


def our_texts() -> Iterator[tuple[Path, str]]:
    """Every file of ours that is text, with what it says."""
    for file in our_files():
        try:
            yield file, file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def modules(*rooms: str) -> list[Path]:
    return sorted(file for room in rooms for file in (ROOT / room).rglob("*.py"))


def named(file: Path) -> str:
    return str(file.relative_to(ROOT))


def lines_with(pattern: re.Pattern[str], text: str) -> list[int]:
    return [number for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]


def reasonless(source: str) -> list[int]:
    """Lines whose comment silences a tool and gives no reason of at least two words behind it."""
    comments = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type == tokenize.COMMENT]
    silencing = [t for t in comments if SUPPRESSION.search(t.string)]
    return [t.start[0] for t in silencing if len(re.findall(r"\w{2,}", SUPPRESSION.split(t.string)[-1])) < 2]


def imported(tree: ast.AST) -> set[str]:
    """The top-level names of everything a module imports, wherever in it."""
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    taken = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    return {name.split(".")[0] for name in plain | taken}


def impure_calls(tree: ast.AST) -> list[str]:
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = [f.attr if isinstance(f, ast.Attribute) else f.id for f in called if isinstance(f, ast.Attribute | ast.Name)]
    return [name for name in names if name in IMPURE_CALLS]


def relative_links(markdown: str) -> list[str]:
    """Where a text's links into this repository go, without their anchors. Code is no link."""
    targets = LINK.findall(CODE.sub("", markdown))
    return [t.split("#")[0] for t in targets if not re.match(r"[a-z][a-z0-9+.-]*:|#|//", t)]


# --- the finders find -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("comment", "offends"),
    [
        pytest.param("# noqa: S608", True, id="a code without a reason"),
        pytest.param("# noqa", True, id="neither code nor reason"),
        pytest.param("# type: ignore[arg-type]", True, id="an ignored type without a reason"),
        pytest.param("# type: ignore[arg-type]  # noqa: S608", True, id="two suppressions are no reason for each other"),
        pytest.param("# noqa: S608 - the name is a constant", False, id="a reason behind a code"),
        pytest.param("# noqa: S608, E501 - the name is a constant", False, id="a reason behind two codes"),
        pytest.param("# type: ignore[arg-type]  # the stub is wrong", False, id="a reason behind an ignored type"),
        pytest.param("# an ordinary comment", False, id="a comment that silences nothing"),
    ],
)
def test_a_suppression_without_a_reason_is_found(comment: str, offends: bool) -> None:
    assert reasonless(f"a = 1\nb = 2  {comment}\n") == ([2] if offends else [])


def test_a_suppression_inside_a_text_is_none() -> None:
    assert reasonless('a = "# noqa: S608"\n') == []


@pytest.mark.parametrize(
    ("text", "offends"),
    [
        pytest.param("open('/" + "tmp/x.db')", True, id="a temporary file"),
        pytest.param("sqlite:////" + "tmp/x.db", True, id="a store in a temporary folder"),
        pytest.param("cd /" + "work/main", True, id="a workshop's folder"),
        pytest.param("see /" + "home/ada/notes", True, id="somebody's home"),
        pytest.param("https://crm.example/" + "work/7", False, id="a path of a URL"),
        pytest.param("the work/life balance", False, id="a stroke between words"),
    ],
)
def test_a_path_of_one_machine_is_found(text: str, offends: bool) -> None:
    assert lines_with(MACHINE_PATH, text) == ([1] if offends else [])


def test_an_unfinished_place_is_found() -> None:
    assert lines_with(UNFINISHED, "done\n# TO" + "DO later\n") == [2]


def test_links_are_found_outside_code_only() -> None:
    text = "[a](map.md) [b](https://x.example) [c](#here) [d](../README.md#top)\n```\n[e](no.md)\n```\n`[f](no.md)`"
    assert relative_links(text) == ["map.md", "../README.md"]


def test_imports_and_impure_calls_are_found_wherever_they_stand() -> None:
    tree = ast.parse("import a.b\ndef f():\n    from c import d\n    return datetime.now()\n")
    assert (imported(tree), impure_calls(tree)) == ({"a", "c"}, ["now"])


# --- the rules hold ---------------------------------------------------------------------------------------------------


def test_imports_go_down_only() -> None:
    """The contracts in pyproject.toml, as import-linter sees them."""
    linter = Path(sys.executable).with_name("lint-imports")
    outcome = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_a_pure_room_imports_only_what_it_may(room: str) -> None:
    allowed = ALLOWED[room] | sys.stdlib_module_names
    found = {named(file): sorted(imported(ast.parse(file.read_text("utf-8"))) - allowed) for file in modules(room)}
    assert {file: names for file, names in found.items() if names} == {}


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_a_pure_room_reads_no_clock_and_rolls_no_dice(room: str) -> None:
    found = {named(file): impure_calls(ast.parse(file.read_text("utf-8"))) for file in modules(room)}
    assert {file: calls for file, calls in found.items() if calls} == {}


def test_every_module_says_what_it_is() -> None:
    assert [named(file) for file in modules(*ROOMS) if not ast.get_docstring(ast.parse(file.read_text("utf-8")))] == []


def test_every_module_can_be_held_in_the_head() -> None:
    lengths = {named(file): len(file.read_text("utf-8").splitlines()) for file in modules(*ROOMS)}
    assert {file: length for file, length in lengths.items() if length >= MOST_LINES} == {}


def test_nothing_is_left_for_later() -> None:
    assert [f"{named(file)}:{line}" for file, text in our_texts() for line in lines_with(UNFINISHED, text)] == []


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    assert [f"{named(file)}:{line}" for file, text in our_texts() for line in lines_with(MACHINE_PATH, text)] == []


def test_every_suppression_has_a_reason() -> None:
    files = modules(*ROOMS, "tests")
    assert [f"{named(file)}:{line}" for file in files for line in reasonless(file.read_text("utf-8"))] == []


def test_every_link_leads_somewhere() -> None:
    pages = [(file, text) for file, text in our_texts() if file.suffix == ".md"]
    dead = [f"{named(file)} -> {link}" for file, text in pages for link in relative_links(text) if not (file.parent / link).exists()]
    assert (len(pages) > 0, dead) == (True, [])
