"""The vocabulary: every term is there, explained, and aligned only with terms that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyoxigraph
import pytest
from rdflib import OWL, RDF, RDFS, SKOS, Graph, URIRef

import quiver
from quiver.config import bundled
from quiver.namespaces import PREFIXES

Q = PREFIXES["q"]
ONTOLOGY = URIRef("https://w3id.org/quiver/ontology")

# Prefix -> the file of the shared data that holds its vocabulary. (That of SHACL lacks most of its terms; the loader of
# the shapes knows those.)
VOCABULARIES = {
    "bibo": "bibo",
    "dc": "dc11",
    "dcat": "dcat",
    "dcterms": "dcterms",
    "fabio": "fabio",
    "foaf": "foaf",
    "owl": "owl",
    "prov": "prov",
    "rdf": "rdf",
    "rdfs": "rdfs",
    "schema": "schema",
    "sd": "sd",
    "skos": "skos",
    "xsd": "xsd",
}
# The dblp schema is not among the shared vocabularies: its terms that we use, as in the version of 2024-06-14.
DBLP_TERMS = {
    "AmbiguousCreator",
    "AuthorSignature",
    "Creator",
    "Person",
    "Publication",
    "Stream",
    "affiliation",
    "authoredBy",
    "createdBy",
    "doi",
    "hasSignature",
    "homonymousCreator",
    "isVersionOf",
    "numberOfCreators",
    "publishedIn",
    "publishedInBook",
    "publishedInStream",
    "signatureDblpName",
    "signatureOrcid",
    "signatureOrdinal",
    "yearOfPublication",
}


@pytest.fixture(scope="module")
def ontology() -> Graph:
    return Graph().parse(bundled("ontology") / "quiver.ttl")


@pytest.fixture(scope="module")
def shapes() -> Graph:
    return Graph().parse(bundled("ontology") / "shapes.ttl")


@pytest.fixture(scope="module")
def context() -> dict[str, object]:
    document = json.loads((bundled("ontology") / "context.jsonld").read_text(encoding="utf-8"))
    assert list(document) == ["@context"]
    found: dict[str, object] = document["@context"]
    return found


def own_terms(graph: Graph) -> set[str]:
    return {str(term)[len(Q) :] for term in graph.subjects() if str(term).startswith(Q)}


def used_terms() -> dict[str, str]:
    """Local names of q: terms in our modules, shapes and queries -> one file that uses them."""
    package = Path(quiver.__file__).parent
    files = [*package.rglob("*.py"), *bundled("queries").rglob("*.rq"), bundled("ontology") / "shapes.ttl"]
    name = re.compile(r"(?<![\w/:.-])q:([A-Za-z]\w*)")
    return {found: file.name for file in files for found in name.findall(file.read_text(encoding="utf-8"))}


def test_both_parsers_read_the_same_triples(ontology: Graph) -> None:
    path = bundled("ontology") / "quiver.ttl"
    triples = list(pyoxigraph.parse(path=str(path), format=pyoxigraph.RdfFormat.TURTLE))
    assert len(triples) == len(set(triples)) == len(ontology)


def test_every_term_that_anything_uses_is_defined(ontology: Graph) -> None:
    defined = own_terms(ontology)
    missing = {name: file for name, file in used_terms().items() if name not in defined}
    assert missing == {}


def test_the_data_model_is_complete(ontology: Graph) -> None:
    later = {
        "EvidenceGroup",
        "SameWork",
        "memberOfWork",
        "inEvidenceGroup",
        "resembles",
        "search",
        "query",
        "score",
        "snippet",
        "limit",
        "offset",
    }
    assert later <= own_terms(ontology)


def test_every_term_has_one_label_and_one_definition(ontology: Graph) -> None:
    for name in own_terms(ontology):
        term = URIRef(Q + name)
        assert len(list(ontology.objects(term, RDFS.label))) == 1, name
        definitions = list(ontology.objects(term, SKOS.definition))
        assert len(definitions) == 1, name
        assert str(definitions[0]).endswith("."), name
        assert set(ontology.objects(term, RDFS.isDefinedBy)) == {ONTOLOGY}, name
        assert list(ontology.objects(term, RDF.type)), name


def test_labels_tell_the_terms_apart(ontology: Graph) -> None:
    classes = set(ontology.subjects(RDF.type, OWL.Class))
    for group in (classes, set(ontology.subjects(RDFS.domain)) - classes):
        labels = [str(ontology.value(term, RDFS.label)) for term in group]
        assert len(labels) == len(set(labels))


def test_the_vocabulary_says_who_made_it_and_on_what_terms(ontology: Graph) -> None:
    header = {(str(p), str(o)) for p, o in ontology.predicate_objects(ONTOLOGY)}
    assert (PREFIXES["dc"] + "creator", "The Quiver maintainers") in header
    assert (PREFIXES["dcterms"] + "license", "https://creativecommons.org/publicdomain/zero/1.0/") in header
    assert ("http://purl.org/vocab/vann/preferredNamespacePrefix", "q") in header
    assert ("http://purl.org/vocab/vann/preferredNamespaceUri", Q) in header


def test_a_name_cluster_can_never_be_inferred_to_be_an_agent(ontology: Graph) -> None:
    foaf_agent = URIRef(PREFIXES["foaf"] + "Agent")
    for name in ("NameCluster", "EvidenceGroup"):
        term = URIRef(Q + name)
        assert foaf_agent in set(ontology.objects(term, OWL.disjointWith))
        assert set(ontology.transitive_objects(term, RDFS.subClassOf)) == {
            term,
            URIRef(PREFIXES["prov"] + "Collection"),
        }


def test_nothing_is_the_same_as_anything(ontology: Graph) -> None:
    assert not list(ontology.subject_objects(OWL.sameAs))
    assert not list(ontology.subject_objects(OWL.equivalentClass))


@pytest.mark.parametrize("prefix", [*VOCABULARIES, "vann"])
def test_every_foreign_term_exists(prefix: str, ontology: Graph, shapes: Graph, shared_data: Path) -> None:
    namespace = PREFIXES.get(prefix, "http://purl.org/vocab/vann/")
    used = {
        str(term) for graph in (ontology, shapes) for triple in graph for term in triple if isinstance(term, URIRef)
    }
    vocabulary = Graph().parse(shared_data / "ontologies" / f"{VOCABULARIES.get(prefix, prefix)}.ttl")
    # schema.org's own file has its terms under http; both are its namespaces.
    known = {str(term).replace("http://schema.org/", "https://schema.org/") for term in vocabulary.subjects()}
    known.add("http://www.w3.org/1999/02/22-rdf-syntax-ns#nil")
    assert {term for term in used if term.startswith(namespace) and term != namespace} - known == set()


def test_every_dblp_term_exists(ontology: Graph, shapes: Graph) -> None:
    terms = {str(term) for graph in (ontology, shapes) for triple in graph for term in triple}
    used = {term.removeprefix(PREFIXES["dblp"]) for term in terms if term.startswith(PREFIXES["dblp"])}
    assert used - DBLP_TERMS == {""} & used


def test_every_foreign_namespace_is_one_that_is_checked(ontology: Graph) -> None:
    checked = (*(PREFIXES[prefix] for prefix in [*VOCABULARIES, "dblp", "q"]), "http://purl.org/vocab/vann/")
    others = {str(term) for triple in ontology for term in triple if isinstance(term, URIRef)}
    others = {term for term in others if not term.startswith(checked) and not term.startswith(str(ONTOLOGY))}
    assert others == {"https://creativecommons.org/publicdomain/zero/1.0/"}


def test_the_context_names_every_class_and_property(ontology: Graph, context: dict[str, object]) -> None:
    kinds = (OWL.Class, OWL.ObjectProperty, OWL.DatatypeProperty)
    terms = {str(term)[len(Q) :] for kind in kinds for term in ontology.subjects(RDF.type, kind)}
    query_only = {"query", "like", "score", "snippet", "limit", "offset"}
    assert terms - query_only - set(context) == set()
    assert {name: context[name] for name in PREFIXES} == PREFIXES


def test_the_context_types_values_as_the_vocabulary_does(ontology: Graph, context: dict[str, object]) -> None:
    for name in own_terms(ontology) & set(context):
        kinds = set(ontology.objects(URIRef(Q + name), RDF.type))
        value = ontology.value(URIRef(Q + name), RDFS.range)
        entry = context[name]
        if OWL.ObjectProperty in kinds:
            assert isinstance(entry, dict)
            assert entry["@id"] == f"q:{name}"
            assert entry["@type"] in ("@id", "@vocab"), name
        elif value == URIRef(PREFIXES["xsd"] + "integer"):
            assert entry == {"@id": f"q:{name}", "@type": "xsd:integer"}
        else:
            assert entry == f"q:{name}"


def test_a_document_in_the_context_gives_the_triples_of_the_model(context: dict[str, object]) -> None:
    document = {
        "@context": context,
        "id": "http://localhost:8000/paper/arrow/p1",
        "type": "Paper",
        "title": "A title",
        "year": 2025,
        "issued": "2025",
        "creator": ["Ada Lo"],
        "bylineStatus": "PossiblyAbridged",
        "hasSignature": {"id": "http://localhost:8000/paper/arrow/p1#a1", "type": "AuthorSignature", "ordinal": 1},
    }
    turtle = """
        <http://localhost:8000/paper/arrow/p1> a q:Paper ; dcterms:title "A title" ; q:year 2025 ;
            dcterms:issued "2025"^^xsd:gYear ; dc:creator "Ada Lo" ; q:bylineStatus q:PossiblyAbridged ;
            q:hasSignature <http://localhost:8000/paper/arrow/p1#a1> .
        <http://localhost:8000/paper/arrow/p1#a1> a q:AuthorSignature ; q:ordinal 1 .
    """
    header = "".join(f"@prefix {prefix}: <{namespace}> .\n" for prefix, namespace in PREFIXES.items())
    expected = {quad.triple for quad in pyoxigraph.parse(header + turtle, format=pyoxigraph.RdfFormat.TURTLE)}
    found = pyoxigraph.parse(json.dumps(document), format=pyoxigraph.RdfFormat.JSON_LD)
    assert {quad.triple for quad in found} == expected
