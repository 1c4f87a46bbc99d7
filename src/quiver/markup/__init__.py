"""LaTeX, JATS and HTML in titles and abstracts: as plain text, as safe HTML, and the links in them."""

from quiver.markup.html import to_html
from quiver.markup.plain import find_links, plain_text
from quiver.markup.repairs import needs_cleaning

__all__ = ["find_links", "needs_cleaning", "plain_text", "to_html"]
