"""The handbook: the project's documentation as HTML pages with the frame of the console."""

import posixpath
from functools import cached_property
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from console.markdown import Article

_HERE = Path(__file__).parent
FOLDER = next((folder for folder in (_HERE / "docs", _HERE.parents[2] / "docs") if folder.is_dir()), _HERE / "docs")
"""The folder of the documentation: inside the package in a wheel, beside the packages in a checkout."""

PARTS = {
    "tutorial": ("Tutorial", "From nothing to the first decision that is explained, recorded and verified."),
    "how-to": ("How-to", "One task per page, step by step."),
    "reference": ("Reference", "Requests, problems, commands, settings, formats."),
    "explanation": ("Explanation", "Reasons for the design, guarantees, and measurements."),
}
"""Title and description of each folder of the documentation, in reading order."""


class Handbook:
    """The pages by name, such as `how-to/keys`. The empty name is the list of all pages."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = {
            path.relative_to(folder).with_suffix("").as_posix(): path
            for part in PARTS
            for path in sorted((folder / part).glob("*.md"))
        }

    @property
    def names(self) -> list[str]:
        return list(self._files)

    def page(self, name: str) -> str | None:
        """A complete HTML page; None if there is no page of this name."""
        if not name:
            return self._framed("", "Handbook", "", f"<h1>Handbook</h1>\n{self._list_of_all()}")
        if name not in self._files:
            return None
        made = self.article(name)
        part = PARTS[name.partition("/")[0]][0]
        path = f'<p class="path"><a href="../">Handbook</a> / {part}</p>'
        return self._framed(name, self._titles[name], self._menu(name, _contents(made)), f"{path}\n{made.html}")

    def article(self, name: str) -> "Article":
        from console.markdown import article  # noqa: PLC0415 -- takes a tenth of a second; only these pages need it

        return article(self._files[name].read_text(encoding="utf-8"), lambda target: self._address(target, name))

    def _address(self, target: str, name: str) -> str | None:
        """The address of a link on the page `name`; None if its target is not a page, such as a source file."""
        parts = urlsplit(target)
        if parts.scheme or not parts.path:
            return target
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), parts.path))
        found = path.removesuffix(".md")
        if found not in self._files:
            return None
        return _relative(found, name) + (f"#{parts.fragment}" if parts.fragment else "")

    @cached_property
    def _titles(self) -> dict[str, str]:
        first_lines = (
            (name, path.read_text(encoding="utf-8").partition("\n")[0]) for name, path in self._files.items()
        )
        return {name: line.removeprefix("# ") for name, line in first_lines}

    def _framed(self, name: str, title: str, menu: str, content: str) -> str:
        frame = Template((_HERE / "handbook.html").read_text(encoding="utf-8"))
        up = "../" * (name.count("/") + 1)
        return frame.substitute(title=escape(title), up=up, menu=menu, content=content)

    def _menu(self, current: str, contents: str) -> str:
        """The menu of all pages by part. The part of the current page is open."""
        parts = (
            f"<details{' open' if current.startswith(f'{part}/') else ''}>\n<summary>{title}</summary>\n"
            f"{self._links(part, current, contents)}\n</details>"
            for part, (title, _) in PARTS.items()
        )
        return '<nav class="menu" aria-label="Handbook">\n' + "\n".join(parts) + "\n</nav>"

    def _links(self, part: str, current: str, contents: str = "") -> str:
        names = sorted(
            (name for name in self._files if name.startswith(f"{part}/")), key=lambda name: self._titles[name]
        )
        items = [
            f'<li><a href="{_relative(name, current)}" aria-current="page">{escape(self._titles[name])}</a>{contents}</li>'
            if name == current
            else f'<li><a href="{_relative(name, current)}">{escape(self._titles[name])}</a></li>'
            for name in names
        ]
        return "<ul>\n" + "\n".join(items) + "\n</ul>"

    def _list_of_all(self) -> str:
        return '<div class="parts">' + "\n".join(
            f'<section class="card"><h2>{title}</h2>\n<p>{about}</p>\n{self._links(part, "")}</section>'
            for part, (title, about) in PARTS.items()
        ) + "</div>"  # fmt: skip


def _relative(name: str, current: str) -> str:
    return posixpath.relpath(name, posixpath.dirname(current) or ".")


def _contents(made: "Article") -> str:
    """The sections of a page, as a list below its title in the menu."""
    sections = [heading for heading in made.headings if heading.level == 2]
    links = [f'<li><a href="#{heading.anchor}">{escape(heading.text)}</a></li>' for heading in sections]
    return f"\n<ul>{''.join(links)}</ul>" if links else ""
