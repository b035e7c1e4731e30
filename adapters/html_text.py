"""HTML as people write it in invitations and notes, read as plain text. Pure; the one place where markup is taken off.

What must stay true: any string is accepted and none raises, the work grows with the length of the text and not faster,
and no script, style sheet or comment ever reaches the result. What was plain text to begin with keeps its own lines.
"""

from __future__ import annotations

import html as entities
import re
from html.entities import html5
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
# What people's texts are marked up with: `<Ana>` and `<T>` are none of it, and `a&b;` holds no entity.
_ELEMENT = re.compile(
    r"</?(?:a|abbr|article|b|big|blockquote|body|br|center|code|dd|del|div|dl|dt|em|font|footer|h[1-6]|head|header|hr|html|i|img|ins|kbd|li"
    r"|main|mark|meta|nav|ol|p|pre|q|s|samp|section|small|span|strike|strong|style|sub|sup|table|tbody|td|tfoot|th|thead|tr|tt|u|ul|var)"
    r"(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|([a-zA-Z][a-zA-Z0-9]{1,31}));")
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


def plain(text: str) -> str:
    """What a text says that may be HTML or plain, and does not tell which: HTML is what holds an element or an entity.

    >>> plain("Tea &amp; talk<br>Room 4"), plain("Tea &amp; talk"), plain("a < b & c")
    ('Tea & talk\\nRoom 4', 'Tea & talk', 'a < b & c')
    """
    if _has_element(text):
        return to_text(text)
    return entities.unescape(text) if _has_entity(text) else text


def as_plain(text: str) -> str:
    """How to write a text where it would be read as `plain` reads it, so that it says itself.

    >>> as_plain("Tea & talk"), as_plain("use <b>")
    ('Tea & talk', 'use &lt;b&gt;')
    """
    return entities.escape(text, quote=False) if _has_element(text) or _has_entity(text) else text


def _has_element(text: str) -> bool:
    return "<" in text and _ELEMENT.search(text) is not None


def _has_entity(text: str) -> bool:
    return "&" in text and any(name is None or f"{name};" in html5 for name in (one[1] for one in _ENTITY.finditer(text)))


def _fold(text: str, keep_breaks: bool) -> str:
    # Control characters go first: one between two blanks would keep them apart.
    broken = clean(text.replace("\r", "\n" if keep_breaks else " "), None) or ""
    lines = [line.strip() for line in _SPACES.sub(" ", broken).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
