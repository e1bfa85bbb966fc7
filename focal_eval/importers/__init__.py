"""Foreign suites and transcripts become scripts; each importer says what it dropped."""

from focal_eval.importers.base import Imported, Importer, Option, make_importer, options_of
from focal_eval.importers.foreign import Source
from focal_eval.importers.losses import Loss
from focal_eval.importers.run import ImportReport, import_files

__all__ = [
    "ImportReport",
    "Imported",
    "Importer",
    "Loss",
    "Option",
    "Source",
    "import_files",
    "make_importer",
    "options_of",
]
