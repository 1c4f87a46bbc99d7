"""HTML of titles and abstracts: it shows formulas, and nothing from a source becomes an element or attribute."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.markup import to_html
from quiver.markup.mathml import ATTRIBUTES, ELEMENTS, mathml_to_mathml, tex_to_mathml

_HREF = re.compile(r"https?://[^\s\"'<>]+")
ALLOWED = {"em", "strong", "sub", "sup", "code", "a"} | ELEMENTS


class _Checker(HTMLParser):
    """Reads HTML as a browser would, and collects what no fragment of ours may hold."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ALLOWED:
            self.faults.append(f"element {tag}")
        for name, value in attrs:
            if tag == "a":
                if name not in ("href", "rel") or (name == "href" and not _HREF.fullmatch(value or "")):
                    self.faults.append(f"{tag} {name}={value}")
            elif name not in ATTRIBUTES or not ATTRIBUTES[name].fullmatch(value or ""):
                self.faults.append(f"{tag} {name}={value}")
        if tag == "a" and "a" in self.open:
            self.faults.append("a in a")
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"end of {tag}")

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        self.faults.append(f"declaration {decl}")

    def handle_pi(self, data: str) -> None:
        self.faults.append(f"instruction {data}")

    def unknown_decl(self, data: str) -> None:
        self.faults.append(f"declaration {data}")


def _faults(fragment: str) -> list[str]:
    checker = _Checker()
    checker.feed(fragment)
    checker.close()
    return checker.faults + [f"open {tag}" for tag in checker.open]


PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<math><mi xlink:href='javascript:alert(1)'>x</mi></math>",
    "<math><maction actiontype='statusline' xlink:href='javascript:alert(1)'>x</maction></math>",
    "<math><annotation-xml encoding='text/html'><script>alert(1)</script></annotation-xml></math>",
    "<mml:math><mml:mtext><![CDATA[<script>alert(1)</script>]]></mml:mtext></mml:math>",
    '<mml:math onclick="alert(1)"><mml:mi style="position:fixed" href="javascript:x">k</mml:mi></mml:math>',
    "<mml:math><mml:mspace width='99999em'/><mml:mpadded width='2em' height='-9em'>x</mml:mpadded></mml:math>",
    "<i onmouseover=alert(1)>x</i>",
    '<a href="javascript:alert(1)">x</a>',
    '<a href="data:text/html,<script>alert(1)</script>">x</a>',
    "<a href='https://x.org/\" onmouseover=\"alert(1)'>x</a>",
    '<a href="https://x.org"><a href="https://y.org">z</a></a>',
    r"\href{javascript:alert(1)}{click}",
    r"\href{https://x.org/' onclick='alert(1)}{click}",
    r"\url{https://x.org/\"onclick=\"alert(1)}",
    r"\url{data:text/html;base64,PHNjcmlwdD4=}",
    r"$\text{<script>alert(1)</script>}$",
    r"$\text{&lt;img src=x onerror=alert(1)&gt;}$",
    r"$\text{&#x3c;script&#x3e;alert(1)}$",
    r"$\text{&amp;#x3c;script&amp;#x3e;}$",
    r"$\href{javascript:alert(1)}{x}$",
    r"$\class{a\" onclick=\"alert(1)}{y}$",
    r"$\style{position:fixed;top:0}{y}$",
    r"$\color{red\" onclick=\"alert(1)}x$",
    r"$\hspace{99999em}\rule{9999em}{9999em}x$",
    r"$\unknown{<b>x</b>}$",
    r"$\mathrm{</math><script>alert(1)</script>}$",
    "$</math><script>alert(1)</script>$",
    "$$</code><script>alert(1)</script>\\frac{$$",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&amp;lt;script&amp;gt;alert(1)&amp;lt;/script&amp;gt;",
    "<<script>script>alert(1)<</script>/script>",
    "<sc<i>ript>alert(1)</i></script>",
    "<i><b></i></b><em><strong>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "https://x.org/\"onmouseover=alert(1) https://x.org/'onmouseover=alert(1) https://x.org/<script>",
    "{" * 50 + "<i>" * 50 + "$" + "<script>" + "$" + "</i>" * 50 + "}" * 50,
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_hostile_comes_through(payload: str) -> None:
    for source in (
        payload,
        f"a {payload} b",
        f"${payload}$",
        f"\\textbf{{{payload}}}",
        f"<i>{payload}</i>",
        f"\\url{{{payload}}}",
    ):
        assert _faults(to_html(source)) == []


PIECES = st.sampled_from(
    [*PAYLOADS, "$", "{", "}", "\\", "<i>", "</i>", "<mml:math>", "</mml:math>", "<mml:mi>", "</mml:mi>", "\\text{",
     "\\frac", "^", "_", "&", "<", ">", '"', "'", "\\begin{matrix}", "\\end{matrix}", "https://x.org/"]
)  # fmt: skip


@given(st.lists(st.one_of(PIECES, st.text(max_size=10)), max_size=12).map("".join))
def test_any_text_gives_only_whitelisted_html(source: str) -> None:
    assert _faults(to_html(source)) == []


@given(st.lists(st.one_of(PIECES, st.text(max_size=10)), max_size=8).map("".join))
def test_any_formula_gives_only_whitelisted_mathml(source: str) -> None:
    for fragment in (tex_to_mathml(source), mathml_to_mathml(f"<math>{source}</math>")):
        assert fragment is None or _faults(fragment) == []


@pytest.mark.parametrize(
    ("source", "fragment"),
    [
        (r"\emph{a} \textbf{b} \texttt{c} <i>d</i>", "<em>a</em> <strong>b</strong> <code>c</code> <em>d</em>"),
        ("CO<sub>2</sub> & 4^{th}", "CO<sub>2</sub> &amp; 4<sup>th</sup>"),
        ("top-$k$", "top-<math><mrow><mi>k</mi></mrow></math>"),
        ("$$x$$", '<math display="block"><mrow><mi>x</mi></mrow></math>'),
        (r"$\frac{1}{2}$", "<math><mrow><mfrac><mrow><mn>1</mn></mrow><mrow><mn>2</mn></mrow></mfrac></mrow></math>"),
        (r"$\arg x$", "<math><mrow><mo>arg</mo><mi>x</mi></mrow></math>"),
        (r"$\sqrtT$", "<math><mrow><msqrt><mi>T</mi></msqrt></mrow></math>"),
        (r"$x^2 \nonesuch<$", r"<code>x^2 \nonesuch&lt;</code>"),
        ("costs $5 and $10", "costs $5 and $10"),
        ("<mml:math><mml:mi>x</mml:mi><mml:mo>&lt;</mml:mo></mml:math>", "<math><mi>x</mi><mo>&lt;</mo></math>"),
        ("see https: //github. com/a/b.",
         'see <a href="https://github.com/a/b" rel="nofollow noopener">https://github.com/a/b</a>.'),
        (r"\href{https://x.org/?a=1&b=2}{the \emph{site}}",
         '<a href="https://x.org/?a=1&amp;b=2" rel="nofollow noopener">the <em>site</em></a>'),
        ("HTTPS://x.org/A", '<a href="https://x.org/A" rel="nofollow noopener">HTTPS://x.org/A</a>'),
    ],
)  # fmt: skip
def test_what_a_reader_sees(source: str, fragment: str) -> None:
    assert to_html(source) == fragment


def test_a_formula_too_long_to_convert_is_shown_as_its_source() -> None:
    assert to_html("$x^{" + "y" * 1970 + "}$").startswith("<math>")
    assert tex_to_mathml("x" * 5000) is None
    assert tex_to_mathml("{" * 900 + "x" + "}" * 900) is None


def test_html_shows_the_words_of_its_source() -> None:
    checker = _Checker()
    checker.feed(to_html(r"A <b>bold</b> <unk> claim about $k$ \& 5 < 6"))
    assert checker.text == "A bold <unk> claim about k & 5 < 6"
