"""Conversion of the handbook's Markdown to HTML without inline styles and scripts."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

_Rule = Callable[[RendererHTML, Sequence[Token], int, Any, Any], str]


class Heading(NamedTuple):
    level: int
    text: str
    anchor: str


class Article(NamedTuple):
    headings: list[Heading]
    html: str


def article(text: str, address: Callable[[str], str | None]) -> Article:
    """Convert a page. `address` maps the target of a link to its address; None keeps the text without a link."""
    parser = _parser()
    tokens = parser.parse(text)
    headings = _with_anchors(tokens)
    for token in tokens:
        _follow(token.children or [], address)
        _without_style(token)
    return Article(headings, parser.renderer.render(tokens, parser.options, {}))


def anchor_of(heading: str) -> str:
    """The anchor of a heading, as the code host makes it, so that links with a fragment work on both."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    rules: dict[str, _Rule] = {
        "html_block": _raw,
        "html_inline": _raw,
        "table_open": _table_open,
        "table_close": _table_close,
        "fence": _code,
        "code_block": _code,
    }
    for name, rule in rules.items():
        parser.add_render_rule(name, rule)
    return parser


def _with_anchors(tokens: Sequence[Token]) -> list[Heading]:
    found: list[Heading] = []
    seen: Counter[str] = Counter()
    for opening, content in pairwise(tokens):
        if opening.type == "heading_open":
            text = "".join(part.content for part in content.children or [])
            anchor = anchor_of(text)
            found.append(Heading(int(opening.tag[1:]), text, f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor))
            seen[anchor] += 1
            opening.attrSet("id", found[-1].anchor)
    return found


def _follow(tokens: Sequence[Token], address: Callable[[str], str | None]) -> None:
    leads_nowhere = False
    for token in tokens:
        if token.type == "link_open":
            target = address(str(token.attrGet("href")))
            leads_nowhere = token.hidden = target is None
            token.attrSet("href", target or "")
        elif token.type == "link_close":
            token.hidden = leads_nowhere


def _without_style(token: Token) -> None:
    """Replace the `style` with which the parser aligns columns by a class, because the policy forbids inline styles."""
    if token.attrs.pop("style", None) == "text-align:right":
        token.attrJoin("class", "number")


def _raw(_: RendererHTML, tokens: Sequence[Token], index: int, *__: Any) -> str:
    """Remove HTML comments. Everything else that looks like HTML becomes text."""
    return escape(re.sub(r"<!--.*?-->\n?", "", tokens[index].content, flags=re.DOTALL))


def _table_open(*_: Any) -> str:
    return '<div class="scroll" role="group" aria-label="Table" tabindex="0"><table>\n'


def _table_close(*_: Any) -> str:
    return "</table></div>\n"


def _code(_: RendererHTML, tokens: Sequence[Token], index: int, *__: Any) -> str:
    # Wide code scrolls sideways, so it must be focusable with the keyboard.
    return f'<pre tabindex="0"><code>{escape(tokens[index].content)}</code></pre>\n'
