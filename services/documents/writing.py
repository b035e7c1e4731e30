"""Write the documents into docs/, or say which of them are not what the code says."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from services.documents.asyncapi import asyncapi
from services.documents.catalogue import catalogue
from services.documents.schemas import Json, schemas

DOCS = Path(__file__).parents[2] / "docs"


def openapi() -> Json | None:
    """The HTTP API's own document; None in an installation without the API."""
    # Looked for and imported only here: the other documents need no server.
    if importlib.util.find_spec("services.api.app") is None:
        return None
    told = getattr(importlib.import_module("services.api.app"), "openapi_document", None)
    return None if told is None else cast("Json", told())


def documents() -> dict[str, str]:
    """Every document: its path below docs/, and its text."""
    found = {f"schemas/{name}.json": _as_json(schema) for name, schema in schemas().items()}
    found |= {"events.md": catalogue(), "asyncapi.yaml": _as_yaml(asyncapi())}
    api = openapi()
    return found if api is None else found | {"openapi.json": _as_json(api)}


def _as_json(document: Json) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _as_yaml(document: Json) -> str:
    # Imported here because only the workshop has it: a running installation writes no documents.
    import yaml

    # A round through JSON, so that parts used twice are written twice and not as YAML's references.
    plain = json.loads(json.dumps(document))
    text: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)
    return f"# Written from the code by `make events`.\n{text}"


def differences(folder: Path, wanted: dict[str, str]) -> list[str]:
    """The documents in `folder` that are missing, or say something else, or are no longer made."""
    found = [name for name, text in wanted.items() if not (folder / name).is_file() or (folder / name).read_text("utf-8") != text]
    made = {f"schemas/{file.name}" for file in (folder / "schemas").glob("*.json")}
    return sorted({*found, *(made - wanted.keys())})


def write(folder: Path, wanted: dict[str, str]) -> list[str]:
    """Bring `folder` up to date. Returns what was written or removed."""
    changed = differences(folder, wanted)
    for name in changed:
        file = folder / name
        if name in wanted:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted[name], "utf-8")
        else:
            file.unlink()
    return changed


def main(arguments: Sequence[str] | None = None, folder: Path = DOCS) -> int:
    """0 when the documents are, or now are, what the code says; 1 if `--check` found a difference."""
    parser = argparse.ArgumentParser(prog="python -m services.documents", description="Write docs/ from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 if something differs")
    check = parser.parse_args(arguments).check
    changed = differences(folder, documents()) if check else write(folder, documents())
    for name in changed:
        print(f"{folder.name}/{name} {'is not what the code says: run `make events`' if check else 'written'}")
    return int(check and bool(changed))
