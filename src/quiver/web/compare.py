"""Two names beside each other: what they have in common, and what each has. Both stay names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from flask import Blueprint, Response, g, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from quiver.errors import InvalidParameter
from quiver.names import name_key
from quiver.web.bylines import AT_LEAST
from quiver.web.charts import Series, fill_years, paired_chart, percent, swatch
from quiver.web.cut_names import cut_names
from quiver.web.graph import Graph, current_graph
from quiver.web.links import location
from quiver.web.panels import Panel, Panels, PanelSpec, number_of, text_of
from quiver.web.resources import wanted_page
from quiver.web.responses import not_modified
from quiver.web.typesetting import LegendItem

_LONGEST: Final = 400
_AREA: Final = "name/"
_SIDE_BY_SIDE: Final = PanelSpec("name/side-by-side", "Side by side", empty="Neither name is in this release.")
_COUNT: Final = PanelSpec("name/papers-in-common-count", "Papers in common", "none", "They have none in common.")
_PAPERS: Final = PanelSpec(
    "name/papers-in-common",
    "Papers in common",
    "years",
    "No paper of this release is a possible paper of both names.",
    paged=True,
)
_OTHERS: Final = (
    PanelSpec(
        "name/coauthors-in-common",
        "Co-authors in common",
        empty="No third name shares papers with both.",
        limit=50,
    ),
    PanelSpec("name/venues-in-common", "Venues in common", empty="No venue has papers of both.", limit=50),
)
_YEARS: Final = PanelSpec("name/years-of-two", "Papers by year", "table", "Neither has a paper that states its year.")
_DESCRIPTION: Final = "Two names beside each other: papers, co-authors and venues in common, and the years of each."
_FILLS: Final = ("solid", "hatched")
# As the columns of these queries call the two.
_WHICH: Final = {"one": 0, "other": 1}


@dataclass(frozen=True, slots=True)
class Name:
    """What was asked for as a name: the text as typed, and the cluster's IRI and label, empty where there is none."""

    asked: str
    iri: str = ""
    label: str = ""

    @property
    def path(self) -> str:
        return _AREA + self.iri.rpartition(f"/{_AREA}")[2]


def create_compare(panels: Panels) -> Blueprint:
    """The blueprint of `/compare`."""
    blueprint = Blueprint("compare", __name__)

    @blueprint.get("/compare")
    def compare() -> AnyResponse:
        graph = current_graph()
        names = [find_name(graph, _asked(parameter)) for parameter in ("a", "b")]
        typed = [name for name in names if name.iri and name.asked != name.path]
        if typed:
            kept = {key: name.path if name.iri else name.asked for key, name in zip("ab", names, strict=True)}
            return redirect(location(f"compare?{urlencode(kept)}"), 302)
        page = wanted_page()
        if any(name.asked and not name.iri for name in names):
            # As an error it has no canonical address.
            return Response(_page(names, [], problem="unknown name"), status=404)
        g.tagged = True
        unchanged = not_modified("text/html")
        if unchanged is not None:
            return unchanged
        both = all(name.iri for name in names) and names[0].iri != names[1].iri
        return Response(_page(names, _panels(graph, panels, names, page) if both else []))

    return blueprint


def find_name(graph: Graph, asked: str) -> Name:
    """The name cluster that *asked* means: its path, its IRI, or a name as anybody would write it.

    Letter case and white space do not matter, accents and punctuation do, as everywhere with clusters.
    """
    path = asked.removeprefix(graph.base).removeprefix("/").removesuffix(".html")
    if path.startswith(_AREA):
        if label := _label(graph, graph.base + path):
            return Name(asked, graph.base + path, label)
        # As in an address that was typed: an underscore stands for a space.
        key = name_key(path.removeprefix(_AREA).replace("_", " "))
    else:
        key = name_key(asked)
    iri = graph.minter.name_cluster(key)
    label = _label(graph, iri) if key else ""
    return Name(asked, iri if label else "", label)


def _label(graph: Graph, iri: str) -> str:
    return graph.labels([iri]).get(iri, "") if graph.holds(iri) else ""


def _asked(parameter: str) -> str:
    given = request.args.getlist(parameter)
    if len(given) > 1 or any(len(text) > _LONGEST for text in given):
        raise InvalidParameter(
            f"{parameter}= takes one name",
            value=given,
            hint="Give a name, or the path of one, such as name/andrew_zhao.",
        )
    return given[0].strip() if given else ""


def _page(names: Sequence[Name], shown: Sequence[Panel], **more: str) -> str:
    return render_template("compare.html", names=names, panels=shown, description=_DESCRIPTION, **more)


def _panels(graph: Graph, panels: Panels, names: Sequence[Name], page: int) -> list[Panel]:
    one, other = (name.path for name in names)
    values = {"other": other}

    def opened(spec: PanelSpec) -> Panel:
        return panels.open(graph, spec, one, page if spec.paged else 1, values)

    cut = cut_names(graph)
    beside, count, papers = opened(_SIDE_BY_SIDE), opened(_COUNT), opened(_PAPERS)
    wholes = {text_of(row, "name"): number_of(row, "papers") or 0 for row in beside.rows}
    papers.note = _in_common(names, wholes, number_of(count.rows[0], "papers") or 0 if count.rows else 0)
    shown = [beside, papers, *(opened(spec) for spec in _OTHERS), opened(_YEARS)]
    of = " and ".join(_of(name, wholes, at_least=name.iri in cut) for name in names)
    for panel in shown:
        if panel is not beside:
            panel.denominator = f"Of {of}." if panel.rows else ""
        if panel.rows and any(name.iri in cut for name in names):
            panel.note = f"{panel.note} {AT_LEAST}".strip()
        for head in panel.columns:
            word, _, which = head.label.partition(" ")
            if which in _WHICH:
                head.label = f"{word} {names[_WHICH[which]].label}"
    _draw_years(names, shown[-1])
    return shown


def _in_common(names: Sequence[Name], wholes: Mapping[str, int], count: int) -> str:
    """How many papers are in common, and how much of the papers of the name with fewer."""
    if not count:
        return ""
    fewer = min(names, key=lambda name: wholes[name.iri])
    papers = f"{count:,} paper" + ("" if count == 1 else "s")
    return f"{papers}: {percent(count, wholes[fewer.iri])} of those of {fewer.label}."


def _of(name: Name, wholes: Mapping[str, int], *, at_least: bool) -> str:
    count = wholes[name.iri]
    return f"{'at least ' if at_least else ''}{count:,} paper{'' if count == 1 else 's'} of {name.label}"


def _draw_years(names: Sequence[Name], panel: Panel) -> None:
    """Give the panel of years its chart: a pair of bars for each."""
    counts = {
        number_of(row, "year") or 0: (number_of(row, "of_one") or 0, number_of(row, "of_other") or 0)
        for row in panel.rows
    }
    if len(counts) < 2:
        return
    chart_id = f"{panel.id}-chart"
    years = [year for year, _ in fill_years([(year, sum(pair)) for year, pair in counts.items()])]
    series = [Series(name.label, fill) for name, fill in zip(names, _FILLS, strict=True)]
    panel.view = "stacked"
    panel.chart = paired_chart(
        [(str(year), counts.get(year, (0, 0))) for year in years],
        series,
        chart_id=chart_id,
        title=f"Papers by year of {names[0].label} and of {names[1].label}",
        description=", ".join(f"{year}: {one:,} and {other:,}" for year, (one, other) in sorted(counts.items())),
    )
    panel.legend = [LegendItem(swatch(chart_id, one.fill), one.label, "") for one in series]
