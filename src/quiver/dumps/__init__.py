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
from quiver.dumps.patches import Ends, PatchFile, PatchWriter, patch_lines, refuse_blank_nodes
from quiver.dumps.writer import DUMP_FORMATS, DumpFormat, compressing, write_dump

__all__ = [
    "DUMP_FORMATS",
    "Change",
    "DumpFormat",
    "Ends",
    "Held",
    "MemberIndex",
    "Part",
    "PartWriter",
    "PartsFile",
    "PatchFile",
    "PatchWriter",
    "Remainder",
    "Side",
    "compare_documents",
    "compressing",
    "content_of",
    "document_of",
    "find_members",
    "format_content",
    "index_path",
    "join_parts",
    "part_documents",
    "patch_lines",
    "path_digest",
    "read_documents",
    "read_lines",
    "read_part",
    "refuse_blank_nodes",
    "sum_content",
    "take_out",
    "unlike_documents",
    "write_dump",
]
