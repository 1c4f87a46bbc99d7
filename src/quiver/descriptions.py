"""What a release and its service say of themselves: VoID, DCAT, SPARQL Service Description, schema.org Dataset.

Everything comes from the manifest, so a description costs no query; times and versions stand here and never among the
facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import pyoxigraph

from quiver.config import Settings
from quiver.manifest import PATCH_FORMS, Manifest, ReleaseFile
from quiver.namespaces import term

# Name in `Manifest.counts` -> the class counted.
COUNTED_CLASSES: Final[dict[str, str]] = {
    "papers": "q:Paper",
    "signatures": "q:AuthorSignature",
    "author_rows": "q:AuthorRow",
    "name_clusters": "q:NameCluster",
    "venue_series": "q:VenueSeries",
    "venue_editions": "q:VenueEdition",
    "cluster_pages": "q:ClusterPage",
    "sources": "q:Source",
}

_VOCABULARIES: Final = ("q", "bibo", "dblp", "dc", "dcterms", "fabio", "foaf", "prov", "skos")
# W3C, Unique URIs for file formats.
_FORMATS: Final = "http://www.w3.org/ns/formats/"
_MEDIA_TYPES: Final = "https://www.iana.org/assignments/media-types/application/"
_NQUADS: Final = _MEDIA_TYPES + "n-quads"
_RDF_PATCH: Final = "https://afs.github.io/rdf-delta/rdf-patch.html"
_RESULT_FORMATS: Final = (
    "SPARQL_Results_JSON",
    "SPARQL_Results_XML",
    "SPARQL_Results_CSV",
    "SPARQL_Results_TSV",
    "Turtle",
    "N-Triples",
    "N-Quads",
    "TriG",
    "RDF_XML",
    "JSON-LD",
)


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """What a service gives one query: `timeout_s` from arrival, the largest result, the longest query."""

    timeout_s: float
    max_rows: int
    max_bytes: int
    max_length: int


def service_limits(settings: Settings) -> ServiceLimits:
    """The limits that these settings put in force."""
    return ServiceLimits(
        settings.number("query_timeout_s"),
        settings.integer("query_max_rows"),
        settings.integer("query_max_bytes"),
        settings.integer("query_max_length"),
    )


class _Graph:
    """Triples about a subject, from prefixed names and Python values."""

    def __init__(self) -> None:
        self.triples: list[pyoxigraph.Triple] = []

    def add(self, subject: str, curie: str, value: str | int | pyoxigraph.Literal) -> None:
        """One statement; a string that begins with an IRI scheme is an IRI, any other a literal."""
        node: pyoxigraph.NamedNode | pyoxigraph.Literal
        if isinstance(value, pyoxigraph.Literal):
            node = value
        elif isinstance(value, int):
            node = pyoxigraph.Literal(str(value), datatype=pyoxigraph.NamedNode(term("xsd:integer")))
        elif value.startswith(("http://", "https://", "urn:")):
            node = pyoxigraph.NamedNode(value)
        else:
            node = pyoxigraph.Literal(value)
        self.triples.append(pyoxigraph.Triple(pyoxigraph.NamedNode(subject), pyoxigraph.NamedNode(term(curie)), node))

    def kinds(self, subject: str, curies: Iterable[str]) -> None:
        for curie in curies:
            self.add(subject, "rdf:type", term(curie))


def dataset_iri(manifest: Manifest) -> str:
    """The IRI of the dataset that a release is a version of."""
    return f"{manifest.base}.well-known/void#dataset"


def dataset_description(manifest: Manifest, *, title: str, licence: str) -> list[pyoxigraph.Triple]:
    """The dataset in VoID and DCAT: counts by class, vocabularies, endpoint, dump, version.

    Source: VoID (W3C Interest Group Note), DCAT 3.
    """
    graph = _Graph()
    dataset = dataset_iri(manifest)
    graph.kinds(dataset, ("void:Dataset", "dcat:Dataset", "schema:Dataset"))
    graph.add(dataset, "dcterms:title", title)
    graph.add(dataset, "rdfs:label", title)
    graph.add(dataset, "dcterms:license", licence)
    graph.add(dataset, "dcterms:modified", _moment(manifest.created))
    graph.add(dataset, "dcat:version", pyoxigraph.Literal(manifest.id))
    graph.add(dataset, "void:triples", manifest.quads)
    graph.add(dataset, "void:uriSpace", pyoxigraph.Literal(manifest.base))
    graph.add(dataset, "void:sparqlEndpoint", f"{manifest.base}sparql")
    graph.add(dataset, "foaf:homepage", manifest.base)
    for prefix in _VOCABULARIES:
        graph.add(dataset, "void:vocabulary", term(f"{prefix}:"))
    _add_counts(graph, dataset, manifest.counts)
    _add_release(graph, dataset, manifest)
    return graph.triples


def _add_counts(graph: _Graph, dataset: str, counts: Mapping[str, int]) -> None:
    for name, curie in COUNTED_CLASSES.items():
        if name in counts:
            partition = f"{dataset}-{name.replace('_', '-')}"
            graph.add(dataset, "void:classPartition", partition)
            graph.add(partition, "void:class", term(curie))
            graph.add(partition, "void:entities", counts[name])


def release_iri(manifest: Manifest, release_id: str = "") -> str:
    """The IRI of a release: that of the manifest, or another one of the same library."""
    return f"{manifest.base}releases/{release_id or manifest.id}"


def _add_release(graph: _Graph, dataset: str, manifest: Manifest) -> None:
    """The release as a version of the dataset, with its files.

    Source: DCAT 3, section 11 (versioning).
    """
    release = release_iri(manifest)
    graph.add(dataset, "dcat:hasVersion", release)
    graph.kinds(release, ("dcat:Dataset",))
    graph.add(release, "dcterms:title", f"Release {manifest.id}")
    graph.add(release, "dcat:isVersionOf", dataset)
    graph.add(release, "dcat:version", pyoxigraph.Literal(manifest.id))
    graph.add(release, "dcterms:issued", _moment(manifest.created))
    if manifest.parent:
        graph.add(release, "dcat:previousVersion", release_iri(manifest, manifest.parent))
    if manifest.dump is not None:
        address = manifest.base + manifest.dump_address()
        graph.add(dataset, "void:dataDump", address)
        for subject in (dataset, release):
            graph.add(subject, "dcat:distribution", f"{release}#dump")
        _add_file(graph, f"{release}#dump", "N-Quads, gzip", address, manifest.dump)
        graph.add(f"{release}#dump", "dcat:mediaType", _NQUADS)
    if manifest.patches and manifest.parent:
        changes = f"{release}#changes"
        graph.add(release, "dcterms:relation", changes)
        graph.kinds(changes, ("dcat:Dataset",))
        graph.add(changes, "dcterms:title", f"Changes from release {manifest.parent} to release {manifest.id}")
        for form, file in manifest.patches.items():
            _, label = PATCH_FORMS[form]
            graph.add(changes, "dcat:distribution", f"{release}#{form}")
            address = manifest.base + manifest.patch_address(form)
            _add_file(graph, f"{release}#{form}", f"{label}, gzip", address, file)
            if form == "patch":
                graph.add(f"{release}#{form}", "dcterms:conformsTo", _RDF_PATCH)
            else:
                graph.add(f"{release}#{form}", "dcat:mediaType", _NQUADS)


def _add_file(graph: _Graph, distribution: str, title: str, address: str, file: ReleaseFile) -> None:
    graph.kinds(distribution, ("dcat:Distribution",))
    graph.add(distribution, "dcterms:title", title)
    graph.add(distribution, "dcat:downloadURL", address)
    graph.add(distribution, "dcat:byteSize", file.size)
    graph.add(distribution, "dcat:compressFormat", _MEDIA_TYPES + "gzip")
    graph.add(distribution, "q:sha256", file.sha256)
    checksum = f"{distribution}-checksum"
    graph.add(distribution, "spdx:checksum", checksum)
    graph.kinds(checksum, ("spdx:Checksum",))
    graph.add(checksum, "spdx:algorithm", term("spdx:checksumAlgorithm_sha256"))
    value = pyoxigraph.Literal(file.sha256, datatype=pyoxigraph.NamedNode(term("xsd:hexBinary")))
    graph.add(checksum, "spdx:checksumValue", value)


def _moment(text: str) -> pyoxigraph.Literal:
    return pyoxigraph.Literal(text, datatype=pyoxigraph.NamedNode(term("xsd:dateTime")))


def service_description(
    manifest: Manifest,
    endpoint: str,
    *,
    title: str,
    licence: str,
    limits: ServiceLimits | None = None,
    federates: bool = False,
) -> list[pyoxigraph.Triple]:
    """The SPARQL service at *endpoint*: languages, formats, limits, and the dataset that it serves.

    Of the features of the standard only federation may be true here, where *federates*: the default graph is no union,
    there are no empty graphs, and no IRI is ever dereferenced. A release of records has a text index. No input format
    and no named graph is described, since nothing is loaded over HTTP and a release has all its facts in the default
    graph.

    Source: SPARQL 1.1 Service Description, section 3.
    """
    graph = _Graph()
    service = f"{endpoint}#service"
    graph.add(service, "rdf:type", term("sd:Service"))
    graph.add(service, "rdfs:label", title)
    graph.add(service, "sd:endpoint", endpoint)
    graph.add(service, "sd:supportedLanguage", term("sd:SPARQL10Query"))
    graph.add(service, "sd:supportedLanguage", term("sd:SPARQL11Query"))
    if federates:
        graph.add(service, "sd:feature", term("sd:BasicFederatedQuery"))
    if manifest.kind == "records":
        graph.add(service, "sd:feature", term("q:search"))
    for name in _RESULT_FORMATS:
        graph.add(service, "sd:resultFormat", _FORMATS + name)
    if limits is not None:
        _add_limits(graph, service, limits)
    dataset = f"{endpoint}#dataset"
    default = f"{endpoint}#default-graph"
    graph.add(service, "sd:defaultDataset", dataset)
    graph.kinds(dataset, ("sd:Dataset",))
    graph.add(dataset, "sd:defaultGraph", default)
    graph.kinds(default, ("sd:Graph", "void:Dataset"))
    graph.add(default, "void:triples", manifest.quads)
    _add_counts(graph, default, manifest.counts)
    graph.add(default, "dcterms:isPartOf", dataset_iri(manifest))
    return graph.triples + dataset_description(manifest, title=title, licence=licence)


def _add_limits(graph: _Graph, service: str, limits: ServiceLimits) -> None:
    # The datatype carries the unit, so that no reader has to guess between seconds and milliseconds.
    duration = pyoxigraph.NamedNode(term("xsd:dayTimeDuration"))
    seconds = f"{limits.timeout_s:f}".rstrip("0").rstrip(".")
    graph.add(service, "q:queryDeadline", pyoxigraph.Literal(f"PT{seconds}S", datatype=duration))
    graph.add(service, "q:maxResultRows", limits.max_rows)
    graph.add(service, "q:maxResultBytes", limits.max_bytes)
    graph.add(service, "q:maxQueryLength", limits.max_length)


def document_description(document: str, topic: str, manifest: Manifest, *, licence: str) -> list[pyoxigraph.Triple]:
    """What a document served says of itself, kept apart from the triples of the thing that it is about."""
    graph = _Graph()
    graph.add(document, "rdf:type", term("foaf:Document"))
    graph.add(document, "foaf:primaryTopic", topic)
    graph.add(document, "void:inDataset", dataset_iri(manifest))
    graph.add(document, "dcterms:license", licence)
    graph.add(document, "dcterms:source", release_iri(manifest))
    return graph.triples
