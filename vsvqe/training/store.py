"""Clips as raw 4:2:0 planes in memory-mapped shards.

A shard is three files: `<name>.planes`, the bytes; `<name>.flows`, the flow between consecutive
frames of every damaged clip; and `<name>.json`, the index, which appears last and at once: a shard
is whole or not there.
"""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsvqe.motion.alignment import Field, flow

Bytes = NDArray[np.uint8]


class Planes(NamedTuple):
    """An 8-bit 4:2:0 clip: `y` is `[T, H, W]`, `u` and `v` are `[T, H / 2, W / 2]`."""

    y: Bytes
    u: Bytes
    v: Bytes


@dataclass(frozen=True)
class Entry:
    """One clip of a shard.

    Attributes:
        source: Name that all versions of the same pictures share.
        kind: "clean", "coded" (of clean), "half" and "quarter" (downscaled), "half-coded" and
            "quarter-coded" (of those), or "quarter-real" (of the first frames of clean, forwards
            and then backwards, see ``degrade``).
        recipe: What damaged it, empty for the undamaged kinds.
        offset: First byte.
        frames: Number of frames.
        height: Luma height.
        width: Luma width.
        mse: Luma error of every frame against the undamaged version, in units of [0, 1].
        flows: First byte of the flows, or -1 of a clip without.
    """

    source: str
    kind: str
    recipe: str
    offset: int
    frames: int
    height: int
    width: int
    mse: tuple[float, ...]
    flows: int


class ShardWriter:
    """Writes clips into a new shard; the index is written on leaving without an error."""

    def __init__(self, path: Path) -> None:
        """Starts the shard.

        Args:
            path: Path of the shard without a suffix.
        """
        self._path = path
        self._entries: list[Entry] = []
        self._file: BinaryIO = open(path.with_suffix(".planes"), "wb")  # noqa: SIM115
        self._flows: BinaryIO = open(path.with_suffix(".flows"), "wb")  # noqa: SIM115

    def __enter__(self) -> ShardWriter:
        """Returns the writer."""
        return self

    def add(
        self,
        source: str,
        kind: str,
        planes: Planes,
        recipe: str = "",
        mse: tuple[float, ...] = (),
    ) -> None:
        """Appends a clip.

        Args:
            source: Name shared by all versions of the same pictures.
            kind: What kind of version this is, see `Entry`.
            planes: The pictures.
            recipe: What damaged them.
            mse: Error of every frame, see ``luma_mse``; empty where that isn't known.
        """
        frames, height, width = planes.y.shape
        offset, flows = self._file.tell(), -1
        if kind != "clean":
            flows = self._flows.tell()
            self._flows.write(both_ways(planes.y).tobytes())
        self._entries.append(Entry(source, kind, recipe, offset, frames, height, width, mse, flows))
        for frame in zip(*planes, strict=True):
            for plane in frame:
                self._file.write(np.ascontiguousarray(plane).tobytes())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the shard, and publishes it unless something went wrong."""
        self._file.close()
        self._flows.close()
        if error is not None:
            return
        unfinished = self._path.with_suffix(".json.part")
        unfinished.write_text(json.dumps([asdict(entry) for entry in self._entries]))
        os.replace(unfinished, self._path.with_suffix(".json"))


class Store:
    """All shards of a folder."""

    def __init__(self, folder: Path, pattern: str = "*") -> None:
        """Opens the shards that are there.

        Args:
            folder: Folder of the cache.
            pattern: Glob pattern for the shards' names.
        """
        self._maps: dict[str, tuple[Bytes, Bytes]] = {}
        self.clips: list[tuple[str, Entry]] = []
        for index in sorted(folder.glob(pattern + ".json")):
            # As a plain array: slicing the subclass costs several times as much.
            self._maps[index.stem] = (
                np.asarray(np.memmap(index.with_suffix(".planes"), np.uint8, "r")),
                np.asarray(np.memmap(index.with_suffix(".flows"), np.uint8, "r")),
            )
            for fields in json.loads(index.read_text()):
                fields["mse"] = tuple(fields["mse"])
                self.clips.append((index.stem, Entry(**fields)))

    def planes(self, shard: str, entry: Entry) -> Planes:
        """Returns the planes of a clip as views into the mapped file."""
        luma = entry.height * entry.width
        size = entry.frames * luma * 3 // 2
        raw = self._maps[shard][0][entry.offset : entry.offset + size].reshape(entry.frames, -1)
        chroma = (entry.frames, entry.height // 2, entry.width // 2)
        return Planes(
            raw[:, :luma].reshape(entry.frames, entry.height, entry.width),
            raw[:, luma : luma * 5 // 4].reshape(chroma),
            raw[:, luma * 5 // 4 :].reshape(chroma),
        )

    def flows(self, shard: str, entry: Entry) -> NDArray[np.int16]:
        """Returns the flows of a damaged clip, see ``both_ways``."""
        shape = (entry.frames - 1, 2, entry.height // 2, entry.width // 2, 2)
        size = 2 * int(np.prod(shape))
        raw = self._maps[shard][1][entry.flows : entry.flows + size]
        return raw.view(np.int16).reshape(shape)


def both_ways(y: Bytes) -> NDArray[np.int16]:
    """Returns the flow from every frame to the next and back, `[T - 1, 2, H / 2, W / 2, 2]`."""
    pairs = [(flow(a, b), flow(b, a)) for a, b in itertools.pairwise(y)]
    fields: Field = np.array(pairs, np.int16).reshape(
        len(pairs), 2, y.shape[1] // 2, y.shape[2] // 2, 2
    )
    return fields


def luma_mse(planes: Planes, reference: Planes) -> tuple[float, ...]:
    """Returns the luma error of every frame, in units of the nominal range [0, 1]."""
    errors = []
    for damaged, clean in zip(planes.y, reference.y, strict=True):
        difference = damaged.astype(np.float32) - clean.astype(np.float32)
        errors.append(float(np.mean(np.square(difference))) / 219.0**2)
    return tuple(errors)
