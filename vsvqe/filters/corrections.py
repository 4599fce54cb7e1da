"""Corrections: what has to be done to each frame, found from the motion around it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import vapoursynth as vs

from ..graph import motions
from ..graph.motions import CONFIDENCE, MOTION
from ..graph.nodes import own_node
from ..graph.windows import Props, over_windows
from ..motion import borders, estimate, mesh, path
from ..motion.mesh import Mesh
from ..motion.transform import Matrix

# Frames whose paths are computed together: what they share is read once.
_TOGETHER = 16

# The adaptive zoom changes by this part of itself a frame at most.
_ZOOM_RATE = 0.0025
# A motion less trusted than this does not say where a neighbour's picture belongs.
_LEAST_CONFIDENCE = 0.2

# How far away neighbours are tried: frames further away differ less from one to the next.
DISTANCES = (1, 2, 3, 4, 6, 8, 12, 16, 20, borders.FILL_RADIUS)

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
        """Frames after a frame whose motion is measured before that frame is rendered."""
        path_lead = self.radius + _TOGETHER
        return path_lead + (self.zoom_radius + _TOGETHER if self.border == "zoom" else 0)

    def corrected(self, tracked: vs.VideoNode, *, tripod: bool) -> vs.VideoNode:
        """Returns the clip of motions with the correction of every frame in its props."""
        compute = self._from_reference if tripod else self._along_path
        corrected = over_windows(
            tracked,
            self.radius,
            _TOGETHER,
            motions.motion_of,
            compute,
            starts_scene=motions.starts_scene,
            name="Stabilize",
        )
        if tripod:
            # These are of the motion from the reference, not from the frame before.
            corrected = corrected.std.RemoveFrameProps([motions.MESH])
        if self.border != "zoom":
            corrected.std.SetVideoCache(mode=1, fixedsize=1, maxsize=2 * _TOGETHER)
            return corrected
        return over_windows(
            own_node(corrected),
            self.zoom_radius,
            _TOGETHER,
            _correction_and_zoom,
            self._with_zoom,
            starts_scene=motions.starts_scene,
            name="Stabilize",
        )

    def _along_path(self, window: Sequence[estimate.Motion], centre: int) -> Props:
        moves = window[1:]
        reach = path.radius(self.limits)
        first = max(0, centre - reach)
        around = moves[first : centre + reach]
        correction = path.correction(around, centre - first, self.limits)
        bend = path.bend(around, centre - first, self.limits)
        return self._described(correction, bend, moves, centre)

    def _from_reference(self, places: Sequence[estimate.Motion], centre: int) -> Props:
        """Takes motions from a common frame: each is its frame's correction."""
        moves = [
            estimate.Motion(
                after.matrix @ np.linalg.inv(before.matrix),
                min(before.confidence, after.confidence),
            )
            for before, after in pairwise(places)
        ]
        into = moves[centre - 1] if centre else estimate.Motion(np.eye(3), 0.0)
        own = places[centre]
        return {
            MOTION: into.matrix.ravel().tolist(),
            CONFIDENCE: into.confidence,
            **self._described(own.matrix, own.mesh, moves, centre),
        }

    def _described(
        self,
        correction: Matrix,
        bend: Mesh | None,
        moves: Sequence[estimate.Motion],
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
        if self.border == "fill" and missing > 1.0:
            chain = _chain(moves, centre)
            lenders = borders.lenders(correction, chain, self.aspect)
            if lenders:
                props[_LENDERS] = lenders
                lent = [chain[distance] @ correction for distance in lenders]
                props[_LENT] = np.concatenate(lent, axis=None).tolist()
        return props

    def _with_zoom(self, window: Sequence[tuple[Matrix, Mesh | None, float]], centre: int) -> Props:
        """Enlarges as much as any frame around needs, less for those further away."""
        logarithm = max(
            math.log(zoom) - _ZOOM_RATE * abs(i - centre) for i, (_, _, zoom) in enumerate(window)
        )
        correction, bend, _ = window[centre]
        return _as_props(*_zoomed(correction, bend, math.exp(logarithm)))


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


def _chain(moves: Sequence[estimate.Motion], centre: int) -> dict[int, Matrix]:
    """Returns the motion from a frame to neighbours, as far as it can be followed."""
    later = _followed(moves[centre : centre + borders.FILL_RADIUS])
    # From a neighbour to the frame first: the nearest last.
    earlier = _followed(moves[:centre][: -borders.FILL_RADIUS - 1 : -1], backwards=True)
    chain: dict[int, Matrix] = {}
    for distance in DISTANCES:
        if distance <= len(later):
            chain[distance] = later[distance - 1]
        if distance <= len(earlier):
            chain[-distance] = np.linalg.inv(earlier[distance - 1])
    return chain


def _followed(moves: Sequence[estimate.Motion], *, backwards: bool = False) -> list[Matrix]:
    """Returns the motion over one, two, three... frames, up to one that is not trusted."""
    motion, found = np.eye(3), []
    for move in moves:
        if move.confidence < _LEAST_CONFIDENCE:
            break
        motion = motion @ move.matrix if backwards else move.matrix @ motion
        found.append(motion)
    return found


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
