"""Dumps: the parts of which a release is made, and whole releases in every RDF syntax."""

from quiver.dumps.comparing import Change, Held, Side, compare_documents, part_documents, path_digest, unlike_documents
from quiver.dumps.members import MemberIndex, Remainder, find_members, index_path, join_parts, take_out
from quiver.dumps.parts import (
    Part,
    PartsFile,
    PartWriter,
    content_of,
    document_of,
    format_content,
    read_documents,
    read_lines,
    read_part,
    sum_content,
)
from quiver.dumps.writer import DUMP_FORMATS, DumpFormat, write_dump

__all__ = [
    "DUMP_FORMATS",
    "Change",
    "DumpFormat",
    "Held",
    "MemberIndex",
    "Part",
    "PartWriter",
    "PartsFile",
    "Remainder",
    "Side",
    "compare_documents",
    "content_of",
    "document_of",
    "find_members",
    "format_content",
    "index_path",
    "join_parts",
    "part_documents",
    "path_digest",
    "read_documents",
    "read_lines",
    "read_part",
    "sum_content",
    "take_out",
    "unlike_documents",
    "write_dump",
]
