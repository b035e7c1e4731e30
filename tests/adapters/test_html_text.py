"""HTML becomes plain text: what a reader sees stays, what only a browser needs goes, and nothing makes it raise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.html_text import as_plain, plain, to_text

SEEN = {
    "paragraphs are lines": ("<p>Agenda</p><p>Figures</p>", "Agenda\nFigures"),
    "source line breaks between blocks are none": ("<div>a</div>\n\n  <div>b</div>\n", "a\nb"),
    "every br is a line break": ("a<br>b<br/>c", "a\nb\nc"),
    "two brs are an empty line": ("a<br><br>b", "a\n\nb"),
    "at most one empty line in a row": ("a<br><br><br><br><br>b", "a\n\nb"),
    "a br that ends its paragraph adds none": ("<p>a<br></p><p>b</p>", "a\nb"),
    "list items are lines": ("<ul><li>one</li><li>two</li></ul>", "one\ntwo"),
    "cells stand apart, rows are lines": ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
    "inline elements leave no trace": ("<b>Kick</b>-<i>off</i> <a href='https://meet.example'>Join</a>", "Kick-off Join"),
    "blanks are folded": ("<p>  a \t b&nbsp;&nbsp;c\n d </p>", "a b c d"),
    "entities are decoded": ("Tea &amp; talk &lt;soon&gt; &#8364;&#x41; &eacute;", "Tea & talk <soon> €A é"),
    "an entity without its semicolon is decoded": ("Tea &amp talk", "Tea & talk"),
    "what decodes to markup is text": ("&lt;script&gt;x&lt;/script&gt;", "<script>x</script>"),
    "plain text keeps its own lines": ("Agenda:\n\n- one\r\n- two", "Agenda:\n\n- one\n- two"),
    "so does text with inline markup only": ("Agenda:\n<b>one</b>", "Agenda:\none"),
    "but not beside markup that makes lines": ("a<br>b\nc", "a\nb c"),
    "comparisons are text": ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
    "addresses in angle brackets are text": (
        "Bo <bo@client.example> <https://meet.example/a>",
        "Bo <bo@client.example> <https://meet.example/a>",
    ),
    "nothing is nothing": ("", ""),
    "only markup is nothing": ("<div><br>&nbsp;</div>", ""),
}

DROPPED = {
    "scripts": ("a<script>if (1<2) alert('</p>')</script>b", "ab"),
    "scripts in any case": ("a<SCRIPT src=x>evil()</ScRiPt >b", "ab"),
    "a script that never ends": ("a<script>evil()", "a"),
    "style sheets": ("<style>p {color: red}</style>a", "a"),
    "a style sheet that is closed at once": ("a<style/>b", "ab"),
    "the title": ("<head><title>Mail</title></head><body>a</body>", "a"),
    "templates, with what is in them": ("a<template><p>b</p></template>c", "ac"),
    "comments": ("a<!-- <p>b</p> -->c", "ac"),
    "a comment that never ends": ("a<!-- <p>b", "a"),
    "conditional sections of mail programs": ("<!--[if mso]><p>x</p><![endif]-->a<![if !mso]>b<![endif]>", "ab"),
    "a doctype and an instruction": ("<!DOCTYPE html><?xml version='1.0'?>a", "a"),
    "a tag cut off at the end": ("Join <a href='https://meet.exam", "Join"),
    "control characters": ("a\x00b\x07c&#129;d", "abcd"),
    "a control character between blanks": ("a \x1b b", "a b"),
}

HOSTILE = {
    "open brackets": "<" * 60_000,
    "unclosed tags": "<a" * 30_000,
    "unclosed attributes": "<a x='" * 10_000,
    "unclosed end tags": "</a" * 20_000,
    "unclosed sections": "<![" * 20_000,
    "unclosed comments": "<!--" * 15_000,
    "ampersands": "&#" * 30_000,
    "blocks in blocks": "<div>" * 12_000,
    "line breaks": "\n" * 60_000,
}


@pytest.mark.parametrize(("html", "text"), SEEN.values(), ids=SEEN.keys())
def test_what_a_reader_sees_stays(html: str, text: str) -> None:
    assert to_text(html) == text


@pytest.mark.parametrize(("html", "text"), DROPPED.values(), ids=DROPPED.keys())
def test_what_only_a_browser_needs_goes(html: str, text: str) -> None:
    assert to_text(html) == text


@pytest.mark.timeout(10)
@pytest.mark.parametrize("html", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_markup_takes_no_longer_than_its_length(html: str) -> None:
    # A quadratic reading of these takes minutes; ten seconds are generous to a busy machine.
    assert len(to_text(html + "<p>end")) <= len(html) + len("\nend")


PIECES = [
    "<",
    ">",
    "</",
    "/>",
    "<!",
    "<![",
    "<!--",
    "-->",
    "]]>",
    "<?",
    "&",
    "&#",
    ";",
    "p",
    "br",
    "script",
    "style",
    "td",
    "@",
    "=",
    "'",
    '"',
    " ",
    "\n",
    "\r",
]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=40).map("".join))
def test_any_text_is_read_and_comes_out_clean(html: str) -> None:
    text = to_text(html)
    assert text == text.strip()
    assert "\r" not in text
    assert "\x00" not in text
    assert "\n\n\n" not in text
    assert "  " not in text


@given(st.text(alphabet=st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="<&"), max_size=60))
def test_one_line_of_plain_text_is_only_trimmed_and_folded(line: str) -> None:
    assert to_text(line) == " ".join(line.split())


PLAIN = {
    "elements make it HTML": ("<b>Agenda</b><br>Tea &amp; talk", "Agenda\nTea & talk"),
    "one that only closes, too": ("Agenda</p>", "Agenda"),
    "with attributes": ('See <a href="https://acme.example/a?b&c">this</a>', "See this"),
    "in capitals": ("a<BR/>b", "a\nb"),
    "entities alone leave the lines as they are": ("Tea &amp; talk\n\n\n  &#8364; 5", "Tea & talk\n\n\n  € 5"),
    "text is as it is": ("1 < 2 & 3 > 2,  \n  R&D", "1 < 2 & 3 > 2,  \n  R&D"),
    "addresses and names are text": ("Bo <bo@client.example>, <Ana>, List<T>", "Bo <bo@client.example>, <Ana>, List<T>"),
    "what is called like no entity is text": ("?a=1&bo;&ana;", "?a=1&bo;&ana;"),
    "an element that does not end is text": ("a <b and c", "a <b and c"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("told", "text"), PLAIN.values(), ids=PLAIN.keys())
def test_text_that_may_be_html(told: str, text: str) -> None:
    assert plain(told) == text


PIECES = ["<b>", "</p>", "<br/>", "&amp;", "&lt;", "&#38;", "&bo;", "<", ">", "&", ";", "amp", " ", "\n", "a"]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_what_is_written_as_text_reads_as_it_was(text: str) -> None:
    assert plain(as_plain(text)) == text


def test_text_that_cannot_be_mistaken_is_written_as_it_is() -> None:
    assert as_plain("1 < 2 & 3 > 2: R&D <bo@client.example>") == "1 < 2 & 3 > 2: R&D <bo@client.example>"
