"""A contract for import-linter: the modules of one adapter, `<system>` and `<system>_<noun>`, import no other one's."""

from __future__ import annotations

from typing import Final

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, output

PACKAGE: Final = "adapters"


class ApartContract(Contract):
    """Needs no fields: which modules are one system's, their names say."""

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: FBT001 - the signature is import-linter's
        """Every import between two modules of the package that are of two systems."""
        del verbose
        modules = sorted(graph.find_children(PACKAGE))
        crossing = [
            (module, other)
            for module in modules
            for other in sorted(graph.find_modules_directly_imported_by(module))
            if other in modules and _system(module) != _system(other)
        ]
        return ContractCheck(kept=not crossing, metadata={"crossing": crossing})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """One line for each such import."""
        for module, other in check.metadata["crossing"]:
            output.print_error(f"{module} imports {other}")


def _system(module: str) -> str:
    return module.removeprefix(f"{PACKAGE}.").split("_", 1)[0]
