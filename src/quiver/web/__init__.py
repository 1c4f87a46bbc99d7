"""The web: SPARQL protocol, linked data, pages, API. `create_app` puts them together for one library."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, g, request

from quiver import __version__
from quiver.catalogue import load_catalogue
from quiver.config import Settings
from quiver.engines import Target
from quiver.errors import InvalidSetting, QuiverError
from quiver.evaluation import Evaluator
from quiver.releases import Library
from quiver.web import responses
from quiver.web.answers import FAILED
from quiver.web.api import create_api
from quiver.web.compare import create_compare
from quiver.web.downloads import create_downloads
from quiver.web.editor import create_editor
from quiver.web.explore import create_explore
from quiver.web.forwarding import Forwarding
from quiver.web.graph import CurrentGraph, current_graph
from quiver.web.graph_store import create_graph_store
from quiver.web.heads import head_of
from quiver.web.links import links, this_page
from quiver.web.name_links import homonym, name_link, set_byline
from quiver.web.pages import create_pages
from quiver.web.panels import Panels
from quiver.web.problems import register_problems
from quiver.web.protocol import create_protocol
from quiver.web.proxied import Proxied
from quiver.web.rejects import create_rejects
from quiver.web.resources import create_resources
from quiver.web.search_page import create_search
from quiver.web.service import Metrics, create_service
from quiver.web.suggestions import create_suggestions
from quiver.web.vocabulary import create_vocabulary

__all__ = ["SERVED", "Served", "create_app"]

# Under this key an application's extensions hold what a server needs to answer before Flask is reached.
SERVED = "quiver"

# Paths that answer without a release: their answer does not depend on one.
_WITHOUT_RELEASE = ("static", "service.counts", "service.robots", "service.open_search", "service.favicon")


@dataclass(frozen=True, slots=True)
class Served:
    """The current release of an application, the counts of its requests, and whose word about clients it takes."""

    holder: CurrentGraph
    metrics: Metrics
    forwarding: Forwarding


def create_app(library: Path, settings: Settings, evaluator: Evaluator | None = None) -> Flask:
    """The application that serves the current release of *library*, and each later one soon after it is published.

    *evaluator* answers users' SPARQL; without it there is no `/sparql` and no `/store`.
    """
    app = Flask("quiver.web", static_url_path="/static")
    app.url_map.merge_slashes = False
    app.jinja_options = {"trim_blocks": False, "lstrip_blocks": False}
    shelf = Library(library)
    holder = CurrentGraph(shelf, settings.number("release_poll_s"), Target.of(settings))
    catalogue = load_catalogue()
    panels = Panels(catalogue, settings)
    metrics = Metrics()
    static = Path(app.static_folder or "")
    style = _version(static / "quiver.css")
    scripts = {f"static/pages/{path.name}": _version(path) for path in sorted((static / "pages").glob("*.js"))}

    def begin() -> None:
        if request.endpoint not in _WITHOUT_RELEASE:
            g.graph = holder.get()
        if isinstance(failed := request.environ.get(FAILED), QuiverError):
            g.negotiated = True
            raise failed

    metrics.register(app)
    responses.register(app, settings)
    app.before_request(begin)
    register_problems(app)
    if evaluator is not None:
        app.register_blueprint(create_protocol(current_graph, evaluator, settings))
        app.register_blueprint(create_editor(catalogue))
        app.register_blueprint(create_graph_store(current_graph, evaluator, settings))
    app.register_blueprint(create_api(current_graph, catalogue, settings))
    app.register_blueprint(create_pages(panels))
    app.register_blueprint(create_explore(panels, settings))
    app.register_blueprint(create_compare(panels))
    app.register_blueprint(create_search(settings))
    app.register_blueprint(create_rejects(shelf, settings))
    app.register_blueprint(create_suggestions())
    app.register_blueprint(create_resources(panels, settings))
    app.register_blueprint(create_vocabulary())
    app.register_blueprint(create_downloads(shelf, settings))
    app.register_blueprint(create_service(holder, metrics, settings))

    def context() -> dict[str, object]:
        graph = g.get("graph")
        return {
            "href": links().href,
            "homonym": homonym,
            "name_link": name_link,
            "set_byline": set_byline,
            "head_of": head_of,
            "this_page": this_page,
            "site_title": settings.text("title"),
            "licence": settings.text("licence"),
            "software": __version__,
            "style": style,
            "scripts": scripts,
            "release_id": graph.id if graph is not None else "",
        }

    app.context_processor(context)
    forwarding = Forwarding.of(settings)
    _check_prefix(app, forwarding.prefix)
    app.wsgi_app = Proxied(app.wsgi_app, forwarding)  # type: ignore[method-assign]
    app.extensions[SERVED] = Served(holder, metrics, forwarding)
    return app


def _version(path: Path) -> str:
    """What an address of the file at *path* carries, so that it may be kept for good."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _check_prefix(app: Flask, prefix: str) -> None:
    """Nothing, where no path of *app* begins with *prefix*: whether a proxy took it off could not be told.

    Raises:
        InvalidSetting: one does.
    """
    routes = app.url_map.bind("localhost")
    if prefix and any(routes.test(prefix + rest, "GET") for rest in ("", "/", "/x", "/x/x")):
        raise InvalidSetting(f"setting path_prefix: {prefix} is a path of the service itself", value=prefix)
