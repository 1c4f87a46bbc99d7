"""The fields of the text index."""

from __future__ import annotations

import re
from collections.abc import Sequence

import tantivy

from quiver.search.folding import folded_words, word_analyzer

# Searched by word. A label is a paper's title, a cluster's name or a venue's label, by the document's kind.
LABEL, NAMES, VENUES, TEXT = "label", "names", "venues", "text"
# Words of labels, names and venues that have accents, unfolded: they rank the exact spelling first.
ACCENTED = "accented"
# The first one and two letters of each word of a label: completions of so little would unite thousands of words.
STARTS = "starts"
# Whole values: the label's words, those without a homonym number, the label as spelled, identifiers.
EXACT, BARE, SPELLED, IDENTIFIER = "exact", "bare", "spelled", "identifier"
# The venue keys of a paper, and of a venue its own: spellings that differ in letter case are one series.
VENUE, SERIES = "venue", "series"
# Filters, facets and orders. Undated documents come last both ways, so each way has its own column.
KIND, YEAR, WEIGHT, NEWEST, OLDEST = "kind", "year", "weight", "newest", "oldest"
# The order of completions.
HEFT = "heft"
# The document itself, and the path that it is replaced by.
DOCUMENT, PATH = "document", "path"
# Fields whose terms say nothing about how well a document fits.
UNRANKED = frozenset({ACCENTED, STARTS, EXACT, BARE, SPELLED, IDENTIFIER, KIND, VENUE, SERIES, PATH})

WORDS = "words"
MAX_START = 2
# Keys are cut here; titles that agree so far are taken as equal.
_MAX_KEY = 200
_IDENTIFIER_PREFIX = re.compile(
    r"(?:https?://)?(?:(?:dx\.)?doi\.org|arxiv\.org/(?:abs|pdf)|orcid\.org|aclanthology\.org)/"
    r"|(?:info:)?(?:doi|arxiv|orcid|acl|issn|isbn|dblp)[:/]"
)


def build_schema() -> tantivy.Schema:
    """The schema of the index; `WORDS` names the tokenizer that a writer registers."""
    builder = tantivy.SchemaBuilder()
    builder.add_bytes_field(DOCUMENT, stored=True)
    for field in (LABEL, NAMES, VENUES, TEXT):
        builder.add_text_field(field, tokenizer_name=WORDS)
    for field in (ACCENTED, STARTS):
        builder.add_text_field(field, tokenizer_name=WORDS, index_option="basic")
    for field in (BARE, SPELLED, IDENTIFIER, SERIES):
        builder.add_text_field(field, tokenizer_name="raw", index_option="basic")
    for field in (EXACT, KIND, VENUE):
        builder.add_text_field(field, tokenizer_name="raw", index_option="basic", fast=True)
    builder.add_integer_field(YEAR, fast=True, indexed=True)
    for field in (WEIGHT, NEWEST, OLDEST, HEFT):
        builder.add_unsigned_field(field, fast=True)
    # Last: a schema names its fields by number, and indexes that were written before it had this one are still read.
    builder.add_text_field(PATH, tokenizer_name="raw", index_option="basic")
    return builder.build()


def register_words(index: tantivy.Index) -> None:
    """Give *index* the tokenizer of its word fields; it is not stored with it."""
    index.register_tokenizer(WORDS, word_analyzer())


def exact_key(text: str) -> str:
    """The key under which labels are the same but for case, accents and punctuation; also their order by title.

    >>> exact_key("Schölkopf,  Bernhard")
    'scholkopf bernhard'
    """
    return join_key(folded_words(text))


def join_key(words: Sequence[str]) -> str:
    """The exact key of a label that has been split into its folded *words*."""
    return " ".join(words)[:_MAX_KEY]


def join_starts(words: Sequence[str]) -> str:
    """The beginnings of *words*, each once.

    >>> join_starts(["deep", "depth", "a"])
    'd de a'
    """
    return " ".join(dict.fromkeys([word[:length] for word in words for length in (1, MAX_START)]))


def identifier_keys(text: str) -> set[str]:
    """The keys of an identifier: in lower case as it stands, and without resolver or scheme.

    >>> sorted(identifier_keys("https://doi.org/10.1000/X"))
    ['10.1000/x', 'https://doi.org/10.1000/x']
    """
    whole = text.strip().lower()
    prefix = _IDENTIFIER_PREFIX.match(whole)
    bare = whole[prefix.end() :] if prefix else whole
    return {key[:_MAX_KEY] for key in (whole, bare.rstrip("/")) if key}
