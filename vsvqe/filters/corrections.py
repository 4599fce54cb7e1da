"""Corrections: what has to be done to each frame, found from the motion around it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from ..graph import motions, scenes
from ..graph.bundles import SIZE
from ..graph.motions import CONFIDENCE, MOTION
from ..graph.nodes import own_node
from ..graph.windows import Props, over_windows
from ..motion import borders, estimate, mesh, path
from ..motion.mesh import Mesh
from ..motion.transform import Floats, Matrix

# The adaptive zoom changes by this part of itself a frame at most.
_ZOOM_RATE = 0.0025
# A motion less trusted than this does not say where a neighbour's picture belongs.
_LEAST_CONFIDENCE = 0.2

# How far away neighbours are tried (frames further away differ less from one to the next), and of
# which two the motion over so many frames is made.
_SUMS = {
    2: (1, 1),
    3: (1, 2),
    4: (2, 2),
    6: (2, 4),
    8: (4, 4),
    12: (4, 8),
    16: (8, 8),
    20: (4, 16),
    borders.FILL_RADIUS: (8, 16),
}
DISTANCES = (1, *_SUMS)

_CORRECTION = "_VQECorrection"
_BEND = "_VQEBend"
_ZOOM = "_VQEZoom"
_LENDERS = "_VQELenders"
_LENT = "_VQELent"


@dataclass(frozen=True, kw_only=True)
class CorrectionPlan:
    """How corrections are found from motion."""

    aspect: float
    """Width over height of the frame."""
    border: str
    limits: path.PathSettings
    part: tuple[float, float]
    """Width and height of what is shown, as parts of the frame's."""
    together: int
    """Frames whose paths are computed together: what they share is read once; but so many frames of
    the source more are kept, twice."""

    @property
    def radius(self) -> int:
        """Frames on each side of a frame that its correction depends on."""
        return max(path.radius(self.limits), borders.FILL_RADIUS)

    @property
    def zoom_radius(self) -> int:
        """Frames on each side of a frame that its zoom depends on."""
        return math.ceil(math.log(self.limits.zoommax) / _ZOOM_RATE)

    @property
    def lead(self) -> int:
        """Frames by which a frame is measured before it is bundled with those that it is near."""
        # Chunks: that in which it is needed, and the one begun ahead. Bundles: of motions, and of
        # what they are measured on; less those that it is bundled before it is rendered.
        of_chunks = 2 * self.together + SIZE
        path_lead = self.radius + of_chunks + SIZE + scenes.REACH
        zoom_lead = self.zoom_radius + of_chunks if self.border == "zoom" else 0
        near = borders.FILL_RADIUS if self.border == "fill" else 0
        return path_lead + zoom_lead - near

    def corrected(self, tracked: vs.VideoNode, *, tripod: bool) -> vs.VideoNode:
        """Returns the clip of motions with the correction of every frame in its props."""
        compute = self._from_reference if tripod else self._along_path
        corrected = over_windows(
            tracked,
            self.radius,
            self.together,
            motions.motion_of,
            compute,
            starts_scene=motions.starts_scene,
            name="Stabilize",
        )
        if tripod:
            # These are of the motion from the reference, not from the frame before.
            corrected = corrected.std.RemoveFrameProps([motions.MESH])
        if self.border != "zoom":
            corrected.std.SetVideoCache(mode=1, fixedsize=1, maxsize=2 * self.together)
            return corrected
        return over_windows(
            own_node(corrected),
            self.zoom_radius,
            self.together,
            _correction_and_zoom,
            self._with_zoom,
            starts_scene=motions.starts_scene,
            name="Stabilize",
        )

    def _along_path(self, scene: Sequence[estimate.Motion], centres: range) -> Iterator[Props]:
        track, steps = path.Track(scene[1:]), self._steps(scene[1:])
        corrections = track.corrections(centres, self.limits)
        for centre, correction in zip(centres, corrections, strict=True):
            bend = track.bend(centre, self.limits)
            yield self._described(correction, bend, steps, centre)

    def _from_reference(self, scene: Sequence[estimate.Motion], centres: range) -> Iterator[Props]:
        """Takes motions from a common frame: each is its frame's correction."""
        moves = [
            estimate.Motion(
                after.matrix @ np.linalg.inv(before.matrix),
                min(before.confidence, after.confidence),
            )
            for before, after in pairwise(scene)
        ]
        steps = self._steps(moves)
        for centre in centres:
            into = moves[centre - 1] if centre else estimate.Motion(np.eye(3), 0.0)
            own = scene[centre]
            yield {
                MOTION: into.matrix.ravel().tolist(),
                CONFIDENCE: into.confidence,
                **self._described(own.matrix, own.mesh, steps, centre),
            }

    def _steps(self, moves: Sequence[estimate.Motion]) -> "_Steps | None":
        return _Steps(moves) if self.border == "fill" and moves else None

    def _described(
        self,
        correction: Matrix,
        bend: Mesh | None,
        steps: "_Steps | None",
        centre: int,
    ) -> dict[str, Any]:
        """Returns a correction as props, with what its border needs."""
        if self.border == "crop":
            # Whatever the model of the motion: nothing from beyond the edge is shown.
            needed = borders.zoom_needed(correction, self.aspect, self.part, bend)
            correction, bend = (
                _zoomed(correction, bend, needed) if needed < math.inf else (np.eye(3), None)
            )
        missing = borders.zoom_needed(correction, self.aspect, bend=bend)
        props = _as_props(correction, bend)
        if self.border == "zoom":
            props[_ZOOM] = min(missing, self.limits.zoommax)
        if steps is not None and missing > 1.0:
            chain = steps.around(centre)
            lenders = borders.lenders(correction, chain, self.aspect)
            if lenders:
                props[_LENDERS] = lenders
                lent = [chain[distance] @ correction for distance in lenders]
                props[_LENT] = np.concatenate(lent, axis=None).tolist()
        return props

    def _with_zoom(
        self, scene: Sequence[tuple[Matrix, Mesh | None, float]], centres: range
    ) -> Iterator[Props]:
        """Enlarges as much as any frame around needs, less for those further away."""
        logarithms = np.log([zoom for _, _, zoom in scene])
        for centre in centres:
            first = max(0, centre - self.zoom_radius)
            near = logarithms[first : centre + self.zoom_radius + 1]
            away = np.abs(np.arange(first, first + len(near)) - centre)
            correction, bend, _ = scene[centre]
            zoom = math.exp((near - _ZOOM_RATE * away).max())
            yield _as_props(*_zoomed(correction, bend, zoom))


def _zoomed(correction: Matrix, bend: Mesh | None, zoom: float) -> tuple[Matrix, Mesh | None]:
    """Returns a correction, and what it is bent by, that also enlarge about the centre."""
    return borders.zoomed(correction, zoom), None if bend is None else mesh.enlarged(bend, zoom)


def _as_props(correction: Matrix, bend: Mesh | None) -> dict[str, Any]:
    props: dict[str, Any] = {_CORRECTION: correction.ravel().tolist()}
    if bend is not None:
        props[_BEND] = bend.ravel().tolist()
    return props


def _correction_and_zoom(props: Props) -> tuple[Matrix, Mesh | None, float]:
    return correction_of(props), bend_of(props), float(props[_ZOOM])


class _Steps:
    """The motions between frames of a scene over all of ``DISTANCES``."""

    def __init__(self, moves: Sequence[estimate.Motion]) -> None:
        """Composes motions from each frame to the next."""
        matrices = np.stack([move.matrix for move in moves])
        trusted = np.array([move.confidence >= _LEAST_CONFIDENCE for move in moves])
        over = {1: (matrices, trusted)}
        for distance, (one, other) in _SUMS.items():
            if distance > len(moves):
                break
            (first, known), (second, known_too) = over[one], over[other]
            count = len(moves) + 1 - distance
            over[distance] = (
                second[one:][:count] @ first[:count],
                known[:count] & known_too[one:][:count],
            )
        self._over = {
            distance: (matrices, _inverted(matrices, trusted), trusted.tolist())
            for distance, (matrices, trusted) in over.items()
        }

    def around(self, centre: int) -> dict[int, Matrix]:
        """Returns the motion from a frame to neighbours, as far as all between is trusted."""
        chain: dict[int, Matrix] = {}
        for distance, (there, back, trusted) in self._over.items():
            if centre < len(there) and trusted[centre]:
                chain[distance] = there[centre]
            if centre >= distance and trusted[centre - distance]:
                chain[-distance] = back[centre - distance]
        return chain


def _inverted(matrices: Floats, wanted: NDArray[np.bool_]) -> Floats:
    """Returns the inverses of those matrices that are wanted."""
    return np.linalg.inv(np.where(wanted[:, None, None], matrices, np.eye(3)))


def correction_of(props: Mapping[str, Any]) -> Matrix:
    """Returns the correction of a frame of ``CorrectionPlan.corrected``."""
    return _matrix(props[_CORRECTION])


def bend_of(props: Mapping[str, Any]) -> Mesh | None:
    """Returns what the correction of a frame is bent by."""
    values = props.get(_BEND)
    return None if values is None else mesh.from_numbers(values)


def lenders_of(props: Mapping[str, Any]) -> list[tuple[int, Matrix]]:
    """Returns the neighbours that lend their picture: distance in frames, and correction."""
    distances = _listed(props.get(_LENDERS, []))
    matrices = np.reshape(_listed(props.get(_LENT, [])), (-1, 3, 3))
    return list(zip(distances, matrices, strict=True))


def _matrix(values: Sequence[float]) -> Matrix:
    return np.reshape(np.asarray(values, np.float64), (3, 3))


def _listed(values: Any) -> list[Any]:
    """Returns the values of a prop: the core gives a single one as itself."""
    return list(values) if isinstance(values, Sequence) else [values]
