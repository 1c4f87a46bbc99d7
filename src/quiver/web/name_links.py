"""Names as pages set them: one as a link with its homonym number, and those of a byline.

Escaped piece by piece and joined once: as macros of templates they took a quarter of a list of papers.
"""

from __future__ import annotations

from html import escape

from markupsafe import Markup

from quiver.web.bylines import Byline
from quiver.web.links import Links, links


def homonym(number: str) -> Markup:
    """The mark of a homonym number."""
    return Markup(
        '<span class="homonym" title="A number by which the source tells bearers of this name apart">'
        '<span class="visually-hidden">homonym number </span>{}</span>'
    ).format(number)


def name_link(name: str, number: str, cluster: str, here: str = "") -> Markup:
    """A name with the way to its cluster, an IRI or a path; without that way where this is the page *here*."""
    return Markup(_linked(name, number, cluster, here, links()))  # noqa: S704 - escaped piece by piece


def set_byline(line: Byline, here: str = "", paper: str = "") -> Markup:
    """The paragraph of a byline; *paper* is where all its names are, *here* the cluster whose page this is."""
    ways = links()
    names = ", ".join([_linked(*signer, here, ways) for signer in line.signers])
    if line.more > 0:
        names += f'{" " if names else ""}<a href="{escape(ways.href(paper, names="all"))}" rel="nofollow">'
        names += f"… and {line.more:,} more</a>"
    if not line.total:
        names += '<span class="empty">No author is stated.</span>'
    return Markup(f'<p class="byline">{names}</p>')  # noqa: S704 - escaped piece by piece


def _linked(name: str, number: str, cluster: str, here: str, ways: Links) -> str:
    text = escape(name)
    if cluster and cluster == here:
        text = f'<span class="here">{text}</span>'
    elif cluster:
        text = f'<a href="{escape(ways.href(cluster))}">{text}</a>'
    return f"{text}{homonym(number)}" if number else text
