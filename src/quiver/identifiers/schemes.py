"""Identifiers of the field: parse, normalise, check digit."""

from __future__ import annotations

import re
from dataclasses import dataclass

from quiver.errors import InvalidIdentifier
from quiver.identifiers.iris import NO_IRI_CHARACTERS

_DOI = re.compile(
    r"(?:(?:https?://)?(?:dx\.)?doi\.org/|doi:\s*|info:doi/)?(10\.[0-9]{4,9}(?:\.[0-9]+)*/\S+)", re.IGNORECASE
)
_ORCID = re.compile(
    r"(?:https?://orcid\.org/|orcid:)?([0-9]{4})-?([0-9]{4})-?([0-9]{4})-?([0-9]{3}[0-9X])", re.IGNORECASE
)
_ARXIV = re.compile(
    r"(?:https?://arxiv\.org/(?:abs|pdf)/|arxiv:\s*)?"
    r"([0-9]{4}\.[0-9]{4,5}|[a-z-]+(?:\.[A-Z]{2})?/[0-9]{7})(v[0-9]+)?(?:\.pdf)?",
    re.IGNORECASE,
)
# Characters that RFC 3987 forbids in an IRI though DOI suffixes hold them.
# DOI Handbook, 2.5.2.4, and what RFC 3987 allows in no path.
_NOT_IN_IRI = re.compile(r'[\x00-\x20<>"{}|\\^`%#?\[\]\x7f]|' + NO_IRI_CHARACTERS.pattern)


def _percent_encoded(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class Doi:
    """A DOI, lower-cased, without resolver or prefix."""

    value: str

    @property
    def iri(self) -> str:
        """The resolver's IRI, with what an IRI cannot hold percent-encoded."""
        return "https://doi.org/" + _NOT_IN_IRI.sub(_percent_encoded, self.value)

    def __repr__(self) -> str:
        return f"Doi({self.value!r})"


@dataclass(frozen=True, slots=True)
class Orcid:
    """An ORCID iD in its form with hyphens."""

    value: str

    @property
    def iri(self) -> str:
        return f"https://orcid.org/{self.value}"


def parse_doi(text: str) -> Doi:
    """Return the DOI in *text*, lower-cased, without resolver or prefix.

    Raises:
        InvalidIdentifier: no "10." prefix or an empty suffix; `.value` holds *text*.
    Source: DOI Handbook, 2.2 and 2.4 (case-insensitive).

    >>> parse_doi("https://doi.org/10.1000/XYZ")
    Doi('10.1000/xyz')
    """
    match = _DOI.fullmatch(text.strip())
    if not match:
        raise InvalidIdentifier(f"no DOI: {text!r}", value=text)
    return Doi(match[1].lower())


def parse_orcid(text: str) -> Orcid:
    """Return the ORCID iD in *text*.

    Raises:
        InvalidIdentifier: another form, or a wrong check digit (ISO 7064 MOD 11-2).

    >>> parse_orcid("https://orcid.org/0000-0002-1825-0097")
    Orcid(value='0000-0002-1825-0097')
    """
    match = _ORCID.fullmatch(text.strip())
    if not match:
        raise InvalidIdentifier(f"no ORCID iD: {text!r}", value=text)
    digits = "".join(match.groups()).upper()
    total = 0
    for digit in digits[:-1]:
        total = (total + int(digit)) * 2
    check = (12 - total % 11) % 11
    if digits[-1] != ("X" if check == 10 else str(check)):
        raise InvalidIdentifier(f"wrong check digit in ORCID iD {text!r}", value=text)
    return Orcid("-".join(digits[i : i + 4] for i in range(0, 16, 4)))


def parse_arxiv(text: str) -> str:
    """Return the arXiv identifier in *text*, without version and prefix.

    Raises:
        InvalidIdentifier: neither the form since 2007 nor the one before.

    >>> parse_arxiv("https://arxiv.org/abs/2501.01234v2")
    '2501.01234'
    """
    match = _ARXIV.fullmatch(text.strip())
    if not match:
        raise InvalidIdentifier(f"no arXiv identifier: {text!r}", value=text)
    return match[1]


def parse_issn(text: str) -> str:
    """Return the ISSN in *text*, with its hyphen.

    Raises:
        InvalidIdentifier: another form or a wrong check digit (ISO 3297).

    >>> parse_issn("0378-5955")
    '0378-5955'
    """
    digits = re.sub(r"^(?:e?issn[:\s]*)?|[\s-]", "", text.strip(), flags=re.IGNORECASE).upper()
    if not re.fullmatch(r"[0-9]{7}[0-9X]", digits):
        raise InvalidIdentifier(f"no ISSN: {text!r}", value=text)
    check = -sum(int(digit) * (8 - place) for place, digit in enumerate(digits[:7])) % 11
    if digits[-1] != ("X" if check == 10 else str(check)):
        raise InvalidIdentifier(f"wrong check digit in ISSN {text!r}", value=text)
    return f"{digits[:4]}-{digits[4:]}"


def parse_isbn(text: str) -> str:
    """Return the ISBN in *text* as thirteen digits.

    Raises:
        InvalidIdentifier: another form or a wrong check digit (ISO 2108).

    >>> parse_isbn("0-306-40615-2")
    '9780306406157'
    """
    digits = re.sub(r"^(?:isbn(?:-1[03])?[:\s]*)?|[\s-]", "", text.strip(), flags=re.IGNORECASE).upper()
    if re.fullmatch(r"[0-9]{9}[0-9X]", digits):
        total = sum((10 - place) * (10 if d == "X" else int(d)) for place, d in enumerate(digits))
        if total % 11:
            raise InvalidIdentifier(f"wrong check digit in ISBN {text!r}", value=text)
        stem = "978" + digits[:9]
        return stem + str(-sum(int(d) * (3 if place % 2 else 1) for place, d in enumerate(stem)) % 10)
    if not re.fullmatch(r"97[89][0-9]{10}", digits):
        raise InvalidIdentifier(f"no ISBN: {text!r}", value=text)
    if sum(int(d) * (3 if place % 2 else 1) for place, d in enumerate(digits)) % 10:
        raise InvalidIdentifier(f"wrong check digit in ISBN {text!r}", value=text)
    return digits
