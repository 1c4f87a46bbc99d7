"""Dumps: the parts of which a release is made, and whole releases in every RDF syntax."""

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
    "Part",
    "PartWriter",
    "PartsFile",
    "content_of",
    "document_of",
    "format_content",
    "read_documents",
    "read_lines",
    "read_part",
    "sum_content",
    "write_dump",
]
