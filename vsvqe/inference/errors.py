"""What can go wrong when a model runs; the filters turn these into ``vs.Error``."""


class InferenceError(Exception):
    """Base of all errors of this package that a user can act on."""


class ModelError(InferenceError):
    """The model is missing, damaged, or not of a kind that the filter can use."""


class BackendUnavailable(InferenceError):
    """The backend did not start here; the text says why and what would help."""


class OutOfMemory(InferenceError):
    """The device ran out of memory; a smaller tile may fit."""
