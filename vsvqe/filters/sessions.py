"""Opens a model for the tiles of a clip."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..inference.backends import AnyBackend, Torch, on_gpu
from ..inference.ensemble import EnsembleSession
from ..inference.session import Part, Session, SessionRequest, open_session
from ..inference.tiles import Size
from .options import Options

_GPU_STREAMS = 2

type Shapes = tuple[tuple[str, tuple[int, ...]], ...]
"""Names of a model's inputs and their shapes."""


@dataclass(kw_only=True)
class Sessions:
    """Opens a model for one size of tiles after the other, all on the backend that took the first.

    Attributes:
        path: The model's file.
        sha256: Its hash.
        shapes: Given width and height of a tile in pixels, returns the shapes of the inputs.
        cell: Pixels to the unit that tiles are counted in.
        half: Whether half precision may be used.
        options: Backend, device and folder of engines.
        cpu_streams: Chunks at the same time where a CPU runs an engine.
        part: Of a model that cleans first, the part that is wanted; ``None``: all of it.
    """

    path: Path
    sha256: str
    shapes: Callable[[int, int], Shapes]
    cell: int
    half: bool
    options: Options
    cpu_streams: int
    part: Part | None = None
    _taken: AnyBackend | None = field(default=None, init=False)

    def __call__(self, tile: Size) -> Session:
        """Returns a session for tiles of a size, in cells.

        Raises:
            InferenceError: No backend can run it.
        """
        session = self._opened(tile)
        if self.options.ensemble == 1:
            return session
        width, height = tile
        sideways = session if width == height else self._opened((height, width))
        return EnsembleSession(session, sideways, self.options.ensemble)

    def _opened(self, tile: Size) -> Session:
        """Returns a session of the model as it is."""
        request = SessionRequest(
            model=self.path,
            sha256=self.sha256,
            shapes=self.shapes(tile[0] * self.cell, tile[1] * self.cell),
            half=self.half,
            part=self.part,
            device_index=self.options.device_index,
            engine_folder=self.options.engines,
            streams=self.cpu_streams,
        )
        session, self._taken = open_session(request, self._taken or self.options.backend)
        return session

    @property
    def streams(self) -> int:
        """How many chunks are in work at the same time; asked for after the first session."""
        assert self._taken is not None
        if on_gpu(self._taken):
            # The transfers of one hide behind the inference of the other.
            return self.options.num_streams or _GPU_STREAMS
        if isinstance(self._taken, Torch):
            # Its threads are those of the process, not of one call.
            return self.options.num_streams or 1
        return self.cpu_streams
