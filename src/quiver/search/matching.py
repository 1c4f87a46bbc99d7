"""What matches and how it ranks: clauses of the query language to queries of the index.

Every clause must hold, in whichever field. Documents rank by BM25 of the field that fits best, times log2(2 + weight).
A label that equals the whole text lifts its document above all others, in tiers that no weight can bridge.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import tantivy
from tantivy import Occur, Query

from quiver.names import name_key
from quiver.search import fields
from quiver.search.folding import accented_words, folded_words, without_surrogates
from quiver.search.language import Clause, Words, Years

# How much a match in a field counts.
_FIELDS = {fields.LABEL: 2.5, fields.NAMES: 1.5, fields.VENUES: 1.2, fields.TEXT: 1.0}
# "model" finds "models" and the other way round, for somewhat less; never in names.
_INFLECTED = {fields.LABEL: 1.5, fields.TEXT: 0.6}
_SHORTEST_INFLECTED = 3
# Other fields that match as well count a little.
_TIE_BREAKER = 0.1
# Words side by side, as they were typed.
_ADJACENT = {fields.LABEL: 3.0, fields.NAMES: 3.0}
# A word with the very accents that were typed.
_SAME_ACCENTS = 8.0
_SAME_IDENTIFIER = 1000.0
# Each tier is 32 times the one below, since log2(2 + weight) is less than 32.
_BARE, _BARE_SPELLED, _EXACT, _EXACT_SPELLED = (2.0**power for power in (10, 15, 20, 25))

# The kind, venue, and first and last year that are asked for.
Filters = tuple[str | None, str | None, int | None, int | None]
NO_FILTERS: Filters = (None, None, None, None)

# Words side by side, and whether the last is a prefix.
WordSequence = tuple[tuple[str, ...], bool]

_SCHEMA = fields.build_schema()


def match_clauses(clauses: Sequence[Clause]) -> Query | None:
    """The query for *clauses*, with ranking; None when they ask for nothing, so that everything matches."""
    required = [query for clause in clauses if not clause.negated and (query := _match(clause)) is not None]
    excluded = [query for clause in clauses if clause.negated and (query := _match(clause)) is not None]
    if not clauses:
        return None
    if not required and not excluded:
        # Something was typed, but nothing that could be found, such as "???".
        return Query.empty_query()
    return _all(
        required or [_unranked(Query.all_query())],
        excluded=excluded,
        preferred=_preferences([c for c in clauses if isinstance(c, Words) and not c.negated]),
    )


def match_filters(kind: str | None, venue: str | None, year_from: int | None, year_to: int | None) -> list[Query]:
    """One query for each filter that is given; they do not count for the order."""
    filters = []
    if kind is not None:
        filters.append(_term(fields.KIND, kind))
    if venue is not None:
        filters.append(_term(fields.VENUE, name_key(without_surrogates(venue))))
    if year_from is not None or year_to is not None:
        filters.append(_years(year_from, year_to))
    return [_unranked(query) for query in filters]


def match_series(key: str) -> Query:
    """The venue whose key is *key*."""
    return _term(fields.SERIES, key)


def match_completions(text: str) -> tuple[Query, str]:
    """The names and venues that complete *text*, whose last word may go on unless a space follows; and their order."""
    words = folded_words(text)
    if not words:
        return Query.empty_query(), "heaviest"
    return _all(_begun(words, text), excluded=[_unranked(_term(fields.KIND, "paper"))]), "heaviest"


def match_title_completions(text: str) -> list[tuple[Query, str]]:
    """As `match_completions` the titles: those with the whole words side by side, then all."""
    words = folded_words(text)
    if not words:
        return []
    *whole, _ = words
    begun, paper = _begun(words, text), _unranked(_term(fields.KIND, "paper"))
    # Titles have no weight. By relevance the shortest one comes first, which says most about what will be typed.
    order = "relevance" if whole else "heaviest"
    loose = (_all([*begun, paper]), order)
    if len(whole) < 2:
        return [loose]
    return [(_all([_side_by_side(fields.LABEL, whole), begun[-1], paper]), order), loose]


def _begun(words: Sequence[str], text: str) -> list[Query]:
    *whole, last = words
    unfinished = _term(fields.LABEL, last) if text[-1].isspace() else _prefix(fields.LABEL, last)
    return [*(_term(fields.LABEL, word) for word in whole), unfinished]


def narrow(query: Query, filters: Sequence[Query]) -> Query:
    """*query* within *filters*."""
    return _all([query, *filters]) if filters else query


def match_identifiers(keys: Collection[str]) -> Query:
    """What has one of these identifiers."""
    return _either([_unranked(_term(fields.IDENTIFIER, key)) for key in sorted(keys)])


def match_fuzzily(field: str, word: str, distance: int, without: Collection[str]) -> Query:
    """What has a word in *field* that is at most *distance* letters from *word*, but none of the words *without*."""
    near = Query.fuzzy_term_query(_SCHEMA, field, word, distance, transposition_cost_one=True)
    return _all([near], excluded=[_term(field, other) for other in sorted(without)])


def match_adjacent(words: Sequence[str]) -> Query:
    """The labels in which *words* stand side by side."""
    return _side_by_side(fields.LABEL, list(words))


def found_sequences(clauses: Sequence[Clause]) -> tuple[WordSequence, ...]:
    """What a snippet is to highlight: folded words side by side, and whether the last of them may go on."""
    found: dict[WordSequence, None] = {}
    for clause in clauses:
        if isinstance(clause, Words) and not clause.negated and clause.field is None:
            words = folded_words(clause.text)
            if clause.prefix:
                found.update({((word,), False): None for word in words[:-1]})
                words = words[-1:]
            if words:
                found[tuple(words), clause.prefix] = None
            if _inflects(words, clause):
                found.update({((other,), False): None for other in _inflections(words[0])})
    return tuple(found)


def _match(clause: Clause) -> Query | None:
    if isinstance(clause, Years):
        return _unranked(_years(clause.first, clause.last))
    words = folded_words(clause.text)
    if not words:
        return None
    match clause.field:
        case "author":
            return _either(
                [
                    _in_field(fields.NAMES, words, clause),
                    _all([_in_field(fields.LABEL, words, clause), _unranked(_term(fields.KIND, "name"))]),
                ]
            )
        case "venue":
            return _either(
                [
                    _in_field(fields.VENUES, words, clause),
                    _all([_in_field(fields.LABEL, words, clause), _unranked(_term(fields.KIND, "venue"))]),
                ]
            )
        case "title":
            return _all([_in_field(fields.LABEL, words, clause), _unranked(_term(fields.KIND, "paper"))])
    return _anywhere(words, clause)


def _anywhere(words: list[str], clause: Words) -> Query:
    ways = [Query.boost_query(_in_field(field, words, clause), boost) for field, boost in _FIELDS.items()]
    if _inflects(words, clause):
        for other in _inflections(words[0]):
            ways += [Query.boost_query(_term(field, other), boost) for field, boost in _INFLECTED.items()]
    if not clause.prefix and not clause.phrase and any(character.isdigit() for character in clause.text):
        ways += [
            Query.const_score_query(_term(fields.IDENTIFIER, key), _SAME_IDENTIFIER)
            for key in sorted(fields.identifier_keys(clause.text))
        ]
    return _either(ways)


def _in_field(field: str, words: list[str], clause: Words) -> Query:
    if clause.prefix:
        return _all([*(_term(field, word) for word in words[:-1]), _prefix(field, words[-1])])
    return _side_by_side(field, words)


def _preferences(clauses: Sequence[Words]) -> list[Query]:
    """What lifts a document, though it matches without."""
    preferred = [
        Query.const_score_query(_term(fields.ACCENTED, word), _SAME_ACCENTS)
        for clause in clauses
        for word in dict.fromkeys(accented_words(clause.text))
    ]
    plain = [clause for clause in clauses if clause.field is None and not clause.prefix]
    words = [word for clause in plain for word in folded_words(clause.text)]
    if not words or len(plain) < len(clauses):
        return preferred
    if len(plain) > 1:
        preferred += [Query.boost_query(_side_by_side(field, words), boost) for field, boost in _ADJACENT.items()]
    text = " ".join(clause.text for clause in plain)
    for field, key, score in (
        (fields.EXACT, fields.exact_key(text), _EXACT),
        (fields.BARE, fields.exact_key(text), _BARE),
        (fields.SPELLED, name_key(text), _EXACT_SPELLED),
        (fields.BARE, name_key(text), _BARE_SPELLED),
    ):
        if score in (_EXACT, _BARE) or not text.isascii():
            preferred.append(Query.const_score_query(_term(field, key), score))
    return preferred


def _inflects(words: Sequence[str], clause: Words) -> bool:
    return len(words) == 1 and not clause.prefix and not clause.phrase


def _inflections(word: str) -> tuple[str, ...]:
    """Plural or singular of an English word, by its ending alone.

    >>> _inflections("models"), _inflections("study"), _inflections("loss")
    (('model',), ('studies',), ('losses',))
    """
    if len(word) < _SHORTEST_INFLECTED or not (word.isascii() and word.isalpha()):
        return ()
    if word.endswith("ies") and len(word) > 4:
        return (word[:-3] + "y", word[:-1])
    if word.endswith(("sses", "ches", "shes", "xes", "zes")):
        return (word[:-2],)
    if word.endswith(("ss", "x", "ch", "sh", "z")):
        return (word + "es",)
    if word.endswith("s"):
        return (word[:-1],)
    if word.endswith("y") and word[-2] not in "aeiou":
        return (word[:-1] + "ies",)
    return (word + "s",)


def _term(field: str, value: str) -> Query:
    return Query.term_query(_SCHEMA, field, value, "basic" if field in fields.UNRANKED else "freq")


def _side_by_side(field: str, words: list[str]) -> Query:
    if len(words) == 1:
        return _term(field, words[0])
    return Query.phrase_query(_SCHEMA, field, list(words))


def _prefix(field: str, start: str) -> Query:
    if field == fields.LABEL and len(start) <= fields.MAX_START:
        return _term(fields.STARTS, start)
    return Query.regex_query(_SCHEMA, field, re.escape(start) + ".*")


def _years(first: int | None, last: int | None) -> Query:
    return Query.range_query(_SCHEMA, fields.YEAR, tantivy.FieldType.Integer, first, last)


def _unranked(query: Query) -> Query:
    return Query.const_score_query(query, 0.0)


def _either(queries: Sequence[Query]) -> Query:
    return Query.disjunction_max_query(queries, _TIE_BREAKER)


def _all(required: Sequence[Query], *, excluded: Sequence[Query] = (), preferred: Sequence[Query] = ()) -> Query:
    if len(required) == 1 and not excluded and not preferred:
        return required[0]
    return Query.boolean_query(
        [
            *((Occur.Must, query) for query in required),
            *((Occur.MustNot, query) for query in excluded),
            *((Occur.Should, query) for query in preferred),
        ]
    )
