"""What can go wrong on the way of a whole file, by what the user can do about it."""


class TranscodeError(Exception):
    """Said to the user as it stands; one sentence or two."""


class SourceError(TranscodeError):
    """The source can't be read, is not whole, or holds what can't be carried over."""


class FilterError(TranscodeError):
    """A filter, a model or a backend refuses."""


class EncoderError(TranscodeError):
    """The encoder refuses its settings or fails."""


class StorageError(TranscodeError):
    """The result can't be written: no room, no permission, or it exists already."""
