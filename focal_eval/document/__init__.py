"""YAML files read once, with a place for every value: the floor under scripts, suites and agents."""

from focal_eval.document.reader import Document, read_bytes, read_file, read_text
from focal_eval.document.reading import INVALID, Reader
from focal_eval.document.shape import Record, SchemaBuilder, Shape, plain, record_of, shape_of

__all__ = [
    "INVALID",
    "Document",
    "Reader",
    "Record",
    "SchemaBuilder",
    "Shape",
    "plain",
    "read_bytes",
    "read_file",
    "read_text",
    "record_of",
    "shape_of",
]
