"""Records that mean no good: one a text, which stands in every field that a source can fill.

`evil.example` is a host that nothing may ask; `alert` and `document.title` are what no text may reach.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

import pyoxigraph as ox

from quiver.config import Settings
from quiver.namespaces import sparql_prologue
from quiver.releases import Library, build

BASE: Final = "https://kg.example.org/graph/"
SOURCE: Final = "corpus"
EVIL: Final = "evil.example"

# What the text tries -> the text.
TEXTS: Final[dict[str, str]] = {
    "a script": '<script>alert(1)</script><img src=x onerror="alert(2)">',
    "out of an attribute": '"><svg onload=alert(3)>{{ 7 * 7 }}</title></textarea>',
    "out of a comment": "]]>--><iframe srcdoc='<script>parent.alert(4)</script>'>",
    "out of a script": "</script><script>alert(5)</script>",
    "out of a style": "</style><style>@import 'https://evil.example/a.css';*{color:red}</style>",
    "out of an attribute in single quotes": "' autofocus onfocus=alert(6) x='",
    "out of an attribute without quotes": "x onmouseover=alert(7) style=position:fixed;inset:0",
    "another base": '<base href="https://evil.example/">',
    "another page": '<meta http-equiv="refresh" content="0;url=https://evil.example/">',
    "a style sheet": '<link rel="stylesheet" href="https://evil.example/b.css">',
    "pictures": '<img src="https://evil.example/c.png" srcset="https://evil.example/d.png 2x"><picture>',
    "a form": '<form action="https://evil.example/"><input name=q autofocus><button formaction=javascript:alert(8)>',
    "an address that is a script": "javascript:alert(9)",
    "the same, disguised": "java\tscript&colon;alert(10) JaVaScRiPt:alert(10) &#x6A;avascript:alert(10)",
    "a link to it": '<a href="javascript:alert(11)" target=_blank>press</a> [press](javascript:alert(11))',
    "an address that is a page": "data:text/html;base64,PHNjcmlwdD5hbGVydCgxMik8L3NjcmlwdD4=",
    "a drawing": '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(13)</script><use href="data:,x#a"/></svg>',
    "foreign elements": "<math><mtext><table><mglyph><style><img src=x onerror=alert(14)></style></mglyph></table>",
    "maths with a link": r"\href{javascript:alert(15)}{press} $\href{javascript:alert(15)}{x}$ \url{javascript:x()}",
    "maths with markup": r"$\text{<img src=x onerror=alert(16)>}$ $$\unicode{x3c}script>$$ $\style{color:red}{x}$",
    "maths without end": "$" + "{" * 300 + r"\frac{1}{" * 80 + "x$",
    "TeX that writes": r"\write18{touch /tmp/evil} \input{/etc/passwd} \immediate\openout}@string{a={b}}",
    "templates": "{{ 7 * 7 }}{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}${7*7}<%= 7*7 %>",
    "entities": "&lt;script&gt;alert(17)&lt;/script&gt; &amp;lt;b&amp;gt; &#60;i&#62; &notanentity;",
    "JSON": '"},"@context":"https://evil.example/context.jsonld","x":{"y":"',
    "SPARQL": '" } ; DELETE WHERE { ?s ?p ?o } # \\u0022 }} SERVICE <https://evil.example/sparql> { ?a ?b ?c }',
    "an IRI": "https://evil.example/a> <b> <c> . <d",
    "a formula": '=HYPERLINK("https://evil.example/","press")',
    "lines of RIS": "Innocent\nER  - \nTY  - JOUR\nUR  - https://evil.example/",
    "lines of a header": "x\r\nSet-Cookie: a=b\r\nLocation: https://evil.example/\r\n\r\n<script>alert(18)</script>",
    "other lines": "one\u2028two\u2029three\u0085four\x0bfive\x0csix",
    "another direction": "\u202egro.lpmaxe\u202d abc \u2066def\u2067ghi \u200fjkl",
    "nothing to see": "\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e",
    "marks upon marks": "Z" + "\u0336\u0489\u035b\u0321" * 150 + "a",
    "a very long word": "W" * 3000,
    "very many words": "word " * 3000,
    "controls": "a\x00b\x01c\x08d\x1be\x7ff\x80g\x9fh",
    "half a character": "a\ud800b\udfffc",
    "no characters": "\ufffe\uffff\U0001fffe",
    "beyond the basic plane": "\U0001f469\u200d\U0001f52c\U0001d4d0\U00020000\U000e0041\U000f0000",
    "ways up": "../../../../etc/passwd",
    "ways up, encoded": "..%2f..%2f%2e%2e/%00%0d%0a?x=1&y=2#z",
    "ways elsewhere": "//evil.example/\\evil.example/@evil.example:80/",
    "only marks": "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "only spaces": " \u00a0\u2003\u3000 ",
    "an extension": "name.html.ttl.bib",
    "words of the search": 'author:" year:2020-2024 AND (OR NOT "*"^9 ~',
    "a homonym": "Evil Twin 0001 0002",
}


# Those of which no record can be made; they end in the list of rejects, with the reason.
REJECTED: Final = frozenset(("half a character", "only spaces"))


def records() -> list[dict[str, object]]:
    """A record for each text, and one that has all of them on its byline."""
    made: list[dict[str, object]] = [
        {
            "key": f"{number}/{text}"[:200],
            "title": text,
            "authors": [
                {"name": text, "id": text, "aff": text, "orcid": text, "first": text, "last": text},
                f"{text} 0001",
                "Ann Onymous",
            ],
            "venue": [text],
            "year": 2000 + number % 25,
            "type": text,
            "status": text,
            "track": text,
            "pages": text,
            "bibkey": text,
            "doi": f"10.1000/{text}",
            "abstract": f"$x^2$ {text} \\textbf{{{text}}} https://example.org/{text}",
            "url": text,
            "pdf": f"javascript:alert(99)//{text}",
            "github": f"https: //{EVIL}/{text}",
            text: text,
        }
        for number, text in enumerate(TEXTS.values())
    ]
    authors = [text for name, text in TEXTS.items() if name not in REJECTED]
    return [*made, {"key": "all", "title": "All of them", "authors": authors, "venue": "All", "year": "x"}]


def make_hostile_library(folder: Path) -> Path:
    """A library of these records alone."""
    file = folder / f"{SOURCE}.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records()), encoding="utf-8")
    build(folder / "library", [file], base=BASE, settings=Settings(jobs=1))
    return folder / "library"


# Type of page -> the variable of `_PLACES` that names its thing, or a path that holds the text.
PAGES: Final = {
    "paper": "paper",
    "name": "cluster",
    "author row": "row",
    "venue": "venue",
    "edition": "edition",
    "search": "/search?{q}",
    "search, narrowed": "/search?{venue}",
}
# Pages on which many of the texts stand together.
TOGETHER: Final = (
    "/",
    "/quality",
    "/statistics",
    f"/paper/{SOURCE}/all.html",
    f"/source/{SOURCE}.html",
    "/search?q=all",
)
_PLACES: Final = """SELECT ?key ?paper ?cluster ?row ?venue ?edition WHERE {
  ?paper q:sourceKey ?key ; q:hasSignature ?signature ; q:venue ?venue ; q:edition ?edition .
  ?signature q:ordinal 1 ; q:inNameCluster ?cluster ; q:authorRow ?row .
}"""


@lru_cache(maxsize=2)
def _places(library: Path) -> dict[int, dict[str, str]]:
    solutions = Library(library).current().open_store().query(sparql_prologue() + _PLACES)
    assert isinstance(solutions, ox.QuerySolutions)
    found: dict[int, dict[str, str]] = {}
    for solution in solutions:
        number = solution["key"].value.partition("/")[0]
        named = {name: solution[name].value for name in ("paper", "cluster", "row", "venue", "edition")}
        found[int(number)] = {
            name: "/" + quote(iri.removeprefix(BASE), safe="/~._-") + ".html" for name, iri in named.items()
        }
    return found


def paths_of(library: Path, name: str) -> dict[str, str]:
    """The path of each type of page about the text *name*."""
    text = TEXTS[name]
    places = _places(library)[list(TEXTS).index(name)]
    asked = {"q": urlencode({"q": text[:200]}), "venue": urlencode({"q": "onymous", "venue": text[:200]})}
    return {kind: where.format(**asked) if where.startswith("/") else places[where] for kind, where in PAGES.items()}
