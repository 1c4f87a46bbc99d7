"""Titles and abstracts become clean text: what is markup or damage goes, what only looks like it stays."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiver.identifiers import is_absolute_iri
from quiver.markup import find_links, needs_cleaning, plain_text

LATEX = [
    (r"a $\textbf{M}\text{ixture }\textbf{O}\text{f }\textbf{S}\text{urprise}\textbf{S}$ (MOSS)",
     "a Mixture Of SurpriseS (MOSS)"),
    (r"does \emph{not} elicit \textit{bounded} code \texttt{x_1}", "does not elicit bounded code x_1"),
    (r"values of $k$ (\eg, $k$=1), \ie pass@\textit{k}, Smith \etal.",
     "values of k (e.g., k=1), i.e. pass@k, Smith et al."),
    (r"approximately 20\% of R\&D, in\_a, \#1, \$5, \{x\}", "approximately 20% of R&D, in_a, #1, $5, {x}"),
    (r"Nystr\"om, Nystr{\"o}m, Erd\H{o}s, Fran\c{c}ois, S\o ren, Wei\ss, na{\"\i}ve",
     "Nyström, Nyström, Erdős, François, Søren, Weiß, naïve"),
    (r"function $\phi$ of class $\Phi$, \alpha-NLI, En\rightarrowDe, \alphaNLI",
     "function φ of class Φ, α-NLI, En→De, αNLI"),
    (r"Mask$^2$DiT, CO$_2$, F$_1$-score, $10^{-5}$, $\ell_1$, $x_{i}$, $\ell_\infty$",
     "Mask²DiT, CO₂, F₁-score, 10⁻⁵, ℓ₁, x_i, ℓ_∞"),
    (r"the 2^{nd} and 4$^{th}$, BERT_{large}, 360^{\circ}, Transformer_\text{base}",
     "the 2nd and 4th, BERT_large, 360°, Transformer_base"),
    (r"$O(k^{\frac{m}{2}})$, $\tilde{O}(1/\epsilon)$, $\sqrt{T}$, $n\log n$, \(x^2\)",
     "O(k^(m/2)), Õ(1/ε), √T, n log n, x²"),
    (r"{I}nsights for {BERT}, {\bf bold} and {\it it}", "Insights for BERT, bold and it"),
    (r"\method{Ours} beats \foo{bar}{baz}", "Ours beats bar baz"),
    (r"80\,000 words, translation~(NAT), ``so-called'' \\textit{x}", "80 000 words, translation (NAT), “so-called” x"),
    (r"\textcolor{red}{danger} \vspace{2mm}\footnote{a note} \cite{x}", "danger (a note) [x]"),
    ("the \x07lpha and the \textbf{x}", "the α and the x"),
]  # fmt: skip

TAGS = [
    ("<jats:title>Abstract</jats:title><jats:p>We use <jats:italic>E. coli</jats:italic>.</jats:p><jats:p>So</jats:p>",
     "Abstract We use E. coli. So"),
    ("CO<sub>2</sub>, 10<sup>-5</sup>, <i>k</i>, the 4<sup>th</sup>, LEN<sup>p</sup>", "CO₂, 10⁻⁵, k, the 4th, LEN^p"),
    ("R&amp;D &lt;i&gt;in vivo&lt;/i&gt; p &amp;lt; 0.05 &#8211; &nbsp; &eacute;", "R&D in vivo p < 0.05 – é"),
    ("<jats:inline-formula><jats:alternatives><jats:tex-math>$$\\alpha _1$$</jats:tex-math><mml:math><mml:mi>α</mml:mi>"
     "</mml:math></jats:alternatives></jats:inline-formula>.", "α₁."),
    ("<mml:math><mml:msup><mml:mi>x</mml:mi><mml:mn>2</mml:mn></mml:msup><mml:mo>&lt;</mml:mo><mml:mn>5</mml:mn></mml:math>",
     "x²<5"),
    ("one<br/>two <!-- no --> <![CDATA[a<b]]>", "one two a<b"),
]  # fmt: skip

DAMAGE = [
    ("by 11. 04 and AIME'24 scores by 7. 71. In contrast", "by 11.04 and AIME'24 scores by 7.71. In contrast"),
    ("improves by 12. 5 over GPT-3. 5 and Qwen2. 5-7B, with 17. 5% that",
     "improves by 12.5 over GPT-3.5 and Qwen2.5-7B, with 17.5% that"),
    ("at: https: //github. com/LeapLabTHU/MOSS.", "at: https://github.com/LeapLabTHU/MOSS."),
    ("(https:// github.com/a/b) and http: //www. cs. cmu. edu/~x/. Next",
     "(https://github.com/a/b) and http://www.cs.cmu.edu/~x/. Next"),
    ("https: //foo. github. io/a. git and https: //openreview. net/forum? id=b.",
     "https://foo.github.io/a.git and https://openreview.net/forum?id=b."),
    ("a \n\t b\u00a0 c ", "a b c"),
    ("nul \x00, lone \ud800, it\x92s, userâ\x80\x99s, soft\xadhyphen",
     "nul \ufffd, lone \ufffd, it’s, user’s, softhyphen"),
    (r"it\'s \"quoted\" and\/or", 'it\'s "quoted" and/or'),
]  # fmt: skip

UNTOUCHED = [
    "a < b and p<0.05, x > y",
    "the <unk> token, <s> and </s>, <pad>, <subject, predicate, object>",
    "the <b> and </b> tags, std::vector<int> x; #include <vector>",
    "Beyond the 80/20 Rule",
    "costs $5 and $10, or $5-$10, $5/$10, US$ 10 billion and US$ 20",
    "from 5$ to 10$, A$AP and B$B",
    "No $$$, a $ and a $, Turki$hTweets",
    "Dutch$German and Italian$Romanian",
    "in 2022. 15 papers, from 0 to 5. 0 means, of 0.87. 70% of the",
    "We used CIFAR-10. 5 methods were compared. 1. 5 tasks. 2. 3 more.",
    "unbalanced { and } and $ and } here {",
    "en-{de, fr}, {x}, JSON {\"a\": 1}, if (a) { return b; }",
    "snake_case, __init__, CMU_DoG, top-_k_, ^_^, x^2, F_1, 2^n",
    r"a literal \n, \d+, \w*, C:\Users\text\alpha and D:\data",
    "~5 of A~Z and 1~3, https://x.org/~me/a_b, www.x.org/~me/a_b",
    "AT&T, Q&A, &nonesuch; a & b, C++ && D",
    "https://foo.org. The code, https://foo.org/a_b?c=d&e=f#g.",
    r"\OURS outperforms \tool here",
    "Ünïcödé 李伟 한국어 ελληνικά",
]  # fmt: skip


@pytest.mark.parametrize(("source", "text"), LATEX + TAGS + DAMAGE)
def test_markup_and_damage_are_resolved(source: str, text: str) -> None:
    assert plain_text(source) == text


@pytest.mark.parametrize("source", UNTOUCHED)
def test_what_only_looks_like_markup_stays(source: str) -> None:
    assert plain_text(source) == source


@pytest.mark.parametrize(
    ("source", "links"),
    [
        ("Code: https: //github. com/LeapLabTHU/MOSS.", ["https://github.com/LeapLabTHU/MOSS"]),
        (r"\url{https: //github. com/a/b_c} \href{https://x.org/d}{this}",
         ["https://github.com/a/b_c", "https://x.org/d"]),
        ("(https://en.wikipedia.org/wiki/A_(b)), https://x.org/c).",
         ["https://en.wikipedia.org/wiki/A_(b)", "https://x.org/c"]),
        ("[https://x.org/a](https://x.org/a), “https://x.org/b”", ["https://x.org/a", "https://x.org/b"]),
        (r"https://youtu.be/u5\_j1 https:\/\/x.org\/a", ["https://youtu.be/u5_j1", "https://x.org/a"]),
        ("在https://github.com/foo/bar上获取。", ["https://github.com/foo/bar"]),
        ('<a href="https://y.org">Y</a>, HTTPS://Example.org/A', ["https://y.org", "https://Example.org/A"]),
        ("https://x.org/100% <https://x.org/>", ["https://x.org/100%25", "https://x.org/"]),
        ("https://x.org/a.We show; https: //sites. org. Our code", ["https://x.org/a", "https://sites.org"]),
        (r"\href{javascript:alert(1)}{x} ftp://x.org http:// https:// foo http://u@h/", []),
    ],
)  # fmt: skip
def test_links_are_found_and_repaired(source: str, links: list[str]) -> None:
    assert list(find_links(source)) == links


FRAGMENTS = st.sampled_from(
    ["$", "{", "}", "\\", "_", "^", "<i>", "</i>", "<", ">", "&amp;", "&lt;", "\\textbf", "\\frac", "\\sqrt", "\\'",
     "~", "\\\\", "\\begin{equation}", "\\end{equation}", "https: //", "x.org", ". ", "/a", "11. 04", "``", "''",
     "\\(", "\\)", "<mml:math>", "</mml:math>", "<jats:p>", "\\url{", "\\href{", "\\cite[", "]", "\x07", "\x00",
     "\ud800", "word", " ", "<a href=", '"', "<!--", "-->", "\\left", "\\bf", "\\hat"]
)  # fmt: skip
HOSTILE = st.lists(st.one_of(FRAGMENTS, st.text(max_size=8)), max_size=30).map("".join)


@given(HOSTILE)
def test_any_text_becomes_one_line_that_xml_can_carry(source: str) -> None:
    text = plain_text(source)
    assert text == " ".join(text.split())
    assert not any(c in "\ufffe\uffff" or "\ud800" <= c <= "\udfff" or (c < " ") for c in text)


@given(HOSTILE)
def test_every_link_found_is_an_iri(source: str) -> None:
    links = find_links(source)
    assert len(links) == len(set(links))
    assert all(is_absolute_iri(link) and link.startswith(("http://", "https://")) for link in links)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"])))
def test_text_without_markup_changes_in_white_space_only(source: str) -> None:
    if not needs_cleaning(source):
        assert plain_text(source) == " ".join(source.split())
        assert plain_text(plain_text(source)) == plain_text(source)


WORDS = st.text(st.sampled_from("abcdefgh"), min_size=2, max_size=8)
WRAPPERS = st.sampled_from(
    ["{}", r"\textbf{{{}}}", r"\emph{{{}}}", r"\unknown{{{}}}", "<i>{}</i>", "$\\text{{{}}}$", r"{{\it {}}}", "{{{}"]
)


@given(st.lists(st.tuples(WRAPPERS, WORDS), min_size=1, max_size=8))
def test_no_word_is_lost(pieces: list[tuple[str, str]]) -> None:
    text = plain_text(" ".join(wrapper.format(word) for wrapper, word in pieces))
    for _, word in pieces:
        assert word in text


@pytest.mark.parametrize(
    "piece",
    ["$", "$a$ ", "{", "{}", "\\", "\\'{", "\\frac{", "https: //", "https://x.org/", "https://x.org/.",
     "<i>", "<!--", "&",
     "\\(", "1. 2 ", "\\begin{equation}", "<mml:math>", "_{"],
)  # fmt: skip
def test_long_repetitions_come_to_an_end(piece: str) -> None:
    """At this length anything worse than linear would be noticed by whoever waits for the tests."""
    source = piece * (160_000 // len(piece))
    assert len(plain_text(source)) <= len(source)
    assert len(find_links(source)) <= 1


def test_nesting_has_a_limit_and_costs_no_more_than_its_length() -> None:
    for source in (
        r"\'{" * 60 + "a" + "}" * 60,
        "{" * 5000 + "a" + "}" * 5000,
        r"\frac" * 500 + "a",
        "<i>" * 500 + "a" + "</i>" * 500,
    ):
        assert "a" in plain_text(source)


def test_the_abstracts_of_the_anthology_stay_readable(shared_data: Path) -> None:
    """Real abstracts: few change, none by much, none of the changed ones loses a word of letters."""
    changed = 0
    records = 0
    with gzip.open(shared_data / "records" / "acl-anthology-2016plus.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            for source in (record.get("title"), record.get("abstract")):
                if not source:
                    continue
                records += 1
                text = plain_text(source)
                if text != source:
                    changed += 1
                    assert len(text) > 0.6 * len(source) - 10, source
    assert records > 90_000
    assert 300 < changed < 1000


def test_the_page_of_andrew_zhao_comes_out_clean(shared_data: Path) -> None:
    lines = (shared_data / "arrow" / "andrew-zhao.txt").read_text(encoding="utf-8").splitlines()
    text = "\n".join(map(plain_text, lines))
    assert not set(text) & set("\\${}")
    assert "boosting AIME'25 scores by 11.04 and AIME'24 scores by 7.71. In contrast" in text
    assert "values of k (e.g., k=1), base models achieve higher pass@k score when k is large" in text
    assert "a Mixture Of SurpriseS (MOSS)" in text
    assert "function φ from a specific function class Φ using" in text
    assert "available at: https://github.com/LeapLabTHU/MOSS." in text
    assert [link for line in lines for link in find_links(line)] == [
        "https://github.com/LeapLabTHU/MOSS",
        "https://hyperplane-lab.github.io/dmotion",
    ]
