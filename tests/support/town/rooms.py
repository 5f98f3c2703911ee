"""Every page of the admins, as the shell declares them: what is added there is found by itself."""

import ast
from dataclasses import dataclass

from tests.support.server import ROOT


@dataclass(frozen=True, slots=True)
class Room:
    """A page below `admin/`: its file, and where it lies in the app."""

    file: str
    path: str


def rooms() -> tuple[Room, ...]:
    """In the order in which the shell has them."""
    tree = ast.parse((ROOT / "pages" / "shell.py").read_text())
    return tuple(found for node in ast.walk(tree) if isinstance(node, ast.Call) and (found := _room(node)) is not None)


def _room(call: ast.Call) -> Room | None:
    """`st.Page(_ADMIN / "people.py", …, url_path="people")`."""
    match call:
        case ast.Call(func=ast.Attribute(attr="Page"), args=[ast.BinOp(right=ast.Constant(value=str(file)))]):
            named = {each.arg: each.value for each in call.keywords}
            match named.get("url_path"):
                case ast.Constant(value=str(path)):
                    return Room(file, path)
    return None


def declared_files() -> frozenset[str]:
    """The files below `admin/` that are pages: each can be run by itself."""
    files = (ROOT / "admin").glob("*.py")
    return frozenset(file.name for file in files if "__main__" in file.read_text())
