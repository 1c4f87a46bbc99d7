"""Dumps: the parts of which a release is made, and whole releases in every RDF syntax."""

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
    "DumpFormat",
    "MemberIndex",
    "Part",
    "PartWriter",
    "PartsFile",
    "Remainder",
    "content_of",
    "document_of",
    "find_members",
    "format_content",
    "index_path",
    "join_parts",
    "read_documents",
    "read_lines",
    "read_part",
    "sum_content",
    "take_out",
    "write_dump",
]
