"""What is learnt about mail: features, models as plain artefacts, fingerprints of campaigns."""

from .artefact import InvalidArtefactError
from .calibration import Calibration
from .features import Features, View, extract
from .linear import LinearTable
from .model import Model, Opinion, Term, shipped

__all__ = [
    "Calibration",
    "Features",
    "InvalidArtefactError",
    "LinearTable",
    "Model",
    "Opinion",
    "Term",
    "View",
    "extract",
    "shipped",
]
