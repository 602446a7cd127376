"""`connector adapter new`: lays out the files of a new adapter in a checkout, and its entries in the lists.

The files are those that adapters/README.md explains.
"""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Final

import click

from connector.cli.terminal import say
from connector.core.errors import WrongSetting

FILES: Final = {
    "adapter.py.txt": "adapters/skeleton/__init__.py",
    "webhook.py.txt": "adapters/skeleton/webhook.py",
    "test_package.py.txt": "tests/adapters/skeleton/__init__.py",
    "signing.py.txt": "tests/adapters/skeleton/signing.py",
    "test.py.txt": "tests/adapters/skeleton/test_skeleton.py",
    "connection.json.txt": "tests/adapters/skeleton/payloads/connection.json",
    "request.http.txt": "tests/adapters/skeleton/payloads/record-changed.http",
    "events.json.txt": "tests/adapters/skeleton/payloads/record-changed.events.json",
    "emulator_package.py.txt": "connector/emulators/skeleton/__init__.py",
    "emulator.py.txt": "connector/emulators/skeleton/crm.py",
    "mapping.yaml.txt": "mappings/skeleton.yaml",
    "page.md.txt": "docs/adapters/skeleton.md",
}
"""Template → where it goes; in both `skeleton` stands for the adapter's name."""
_ADAPTERS: Final = "adapters/__init__.py"
_SYSTEMS: Final = "connector/emulators/systems.py"
_PAGES: Final = "docs/adapters/README.md"
_CHANGES: Final = "CHANGELOG.md"
_NAME: Final = re.compile(r"[a-z][a-z0-9]{1,19}")


@click.group()
def adapter() -> None:
    """What connects to external systems; for who adds one."""


@adapter.command()
@click.argument("name")
def new(name: str) -> None:
    """Lay out the files of an adapter in the checkout in the present folder: adapters/README.md explains each."""
    for path in lay_out(Path.cwd(), name):
        say(path)
    say("Now: `pytest tests/adapters/test_the_list.py` names what is STILL TO BE DONE; adapters/README.md says how.")


def lay_out(root: Path, name: str) -> list[str]:
    """Write the files and list entries of the adapter `name` into the checkout at `root`; their paths.

    Raises `WrongSetting` when it cannot be called that, is there already, or `root` is no checkout; nothing is written.
    """
    if not _NAME.fullmatch(name):
        message = (
            f"{name!r} cannot be an adapter's name; allowed: 2 to 20 lower-case letters and digits, a letter first"
        )
        raise WrongSetting(message)
    lists = {path: root / path for path in (_ADAPTERS, _SYSTEMS, _PAGES, _CHANGES)}
    if missing := [path for path, file in lists.items() if not file.is_file()]:
        message = f"{root} is no checkout of the connector: {', '.join(missing)} is missing; run this in one"
        raise WrongSetting(message)
    new_files = {_named(path, name): _template(template, name) for template, path in FILES.items()}
    if there := [path for path in new_files if (root / path).exists()]:
        message = f"{', '.join(there)} is there already; choose another name, or remove it"
        raise WrongSetting(message)
    edited = {path: _EDITS[path](file.read_text("utf-8"), name) for path, file in lists.items()}
    for path, text in {**new_files, **edited}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")
    return [*new_files, *edited]


def _template(file: str, name: str) -> str:
    return _named((resources.files("connector.cli") / "adapter_template" / file).read_text("utf-8"), name)


def _named(text: str, name: str) -> str:
    return text.replace("skeleton", name).replace("Skeleton", name.capitalize())


def _in_adapters(text: str, name: str) -> str:
    """The import in its place of the alphabet, and the class in the list, a line each."""
    lines = text.splitlines(keepends=True)
    imports = [place for place, line in enumerate(lines) if line.startswith("from adapters.")]
    wanted = f"from adapters.{name} import {name.capitalize()}\n"
    lines[imports[0] : imports[-1] + 1] = sorted([*(lines[place] for place in imports), wanted], key=_module)
    found = re.search(r"\{\s*adapter\.NAME: adapter\s+for adapter in \(([^)]*)\)\s*\}", joined := "".join(lines))
    if found is None:
        message = f"{_ADAPTERS} has no list of adapters in the known form; put the class in by hand"
        raise WrongSetting(message)
    classes = sorted({*re.findall(r"\w+", found[1]), name.capitalize()})
    listed = "".join(f"        {known},\n" for known in classes)
    return joined.replace(found[0], f"{{\n    adapter.NAME: adapter\n    for adapter in (\n{listed}    )\n}}")


def _module(line: str) -> str:
    return line.split()[1]


def _in_systems(text: str, name: str) -> str:
    """Among those without an emulator, since the one that is laid out is not finished."""
    head, begin, rest = text.partition("WITHOUT: Final[dict[str, str]] = {\n")
    row = f'    "{name}": "STILL TO BE DONE: emulators/{name}/crm.py, and then put it into CRMS",\n'
    return f"{head}{begin}{row}{rest}"


def _in_pages(text: str, name: str) -> str:
    row = f"| [{name.capitalize()}]({name}.md) | STILL TO BE DONE | STILL TO BE DONE |\n"
    head, row_end, rest = text.rpartition(" |\n")
    return f"{head}{row_end}{row}{rest}"


def _in_changes(text: str, name: str) -> str:
    head, begin, rest = text.partition("### Added\n\n")
    return f"{head}{begin}- {name.capitalize()}: STILL TO BE DONE.\n{rest}"


_EDITS: Final = {_ADAPTERS: _in_adapters, _SYSTEMS: _in_systems, _PAGES: _in_pages, _CHANGES: _in_changes}
