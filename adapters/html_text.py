"""HTML as people write it in invitations and notes, read as plain text. Pure; the one place where markup is taken off.

What must stay true: any string is accepted and none raises, the work grows with the length of the text and not faster,
and no script, style sheet or comment ever reaches the result. What was plain text to begin with keeps its own lines.
"""

from __future__ import annotations

import html as entities
import re
from html.parser import HTMLParser

from adapters.wording import clean

_LINES = frozenset(
    "address article aside blockquote body br caption center dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 "
    "header hr html li main nav ol p pre section table tbody tfoot thead tr ul".split()
)
_CELLS = frozenset(("td", "th"))
_DROPPED = frozenset(("script", "style", "title", "template"))
# `<ana@acme.example>` and `<https://meet.example/a>` are how plain text writes an address, not elements.
_ADDRESS = re.compile(r"<(?:https?:|mailto:|[^\s<>/=\"']+@)", re.IGNORECASE)
_UNCLOSED = re.compile(r"<(?:!--.*|[a-zA-Z/!?][^<>]*)\Z", re.DOTALL)
_SPACES = re.compile(r"[^\S\n]+")


class _Reader(HTMLParser):
    """Collects the text; a line break stands as `\\n`, a break of the source's own as `\\r` until it is known what it means."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.dropping = ""
        self.has_lines = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        literal = self.get_starttag_text() or ""
        if self.dropping:
            return
        if tag in _DROPPED:
            self.dropping = tag
        elif _ADDRESS.match(literal):
            self.handle_data(literal)
        else:
            self._space(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # `<style/>` has no content: it must not swallow what follows.
        if tag not in _DROPPED:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag == self.dropping:
            self.dropping = ""
        elif not self.dropping and tag != "br":
            self._space(tag)

    def handle_data(self, data: str) -> None:
        after_line = not self.parts or self.parts[-1] == "\n"
        if not self.dropping and not (after_line and data.isspace()):
            self.parts.append(data.replace("\r\n", "\r").replace("\n", "\r"))

    def _space(self, tag: str) -> None:
        if tag in _LINES:
            self.has_lines = True
            self._line(always=tag == "br")
        elif tag in _CELLS:
            self.handle_data(" ")

    def _line(self, always: bool) -> None:
        """The end of one block and the start of the next are one line break; every <br> is one of its own."""
        if always or not self.parts or self.parts[-1] != "\n":
            self.parts.append("\n")


def to_text(html: str) -> str:
    """The text of `html`: block elements and <br> as line breaks, entities decoded, blanks folded; never raises.

    At most one empty line in a row, none at the ends. Markup cut off at the end of the text is dropped.

    >>> to_text("<p>Tea &amp; talk</p><script>alert(1)</script><p>Room&nbsp;4<br>Floor 2</p>")
    'Tea & talk\\nRoom 4\\nFloor 2'
    >>> to_text("plain\\ntext, 1 < 2")
    'plain\\ntext, 1 < 2'
    """
    reader = _Reader()
    # A marked section (`<![if mso]>`) makes the parser raise where it is malformed; without the bracket it is a comment.
    reader.feed(html.replace("<![", "<!"))
    # Not `close()`: over what is left unclosed it takes quadratic time.
    reader.handle_data(entities.unescape(_UNCLOSED.sub("", reader.rawdata)))
    return _fold("".join(reader.parts), keep_breaks=not reader.has_lines)


def _fold(text: str, keep_breaks: bool) -> str:
    # Control characters go first: one between two blanks would keep them apart.
    broken = clean(text.replace("\r", "\n" if keep_breaks else " "), None) or ""
    lines = [line.strip() for line in _SPACES.sub(" ", broken).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
