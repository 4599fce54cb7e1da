"""A small part of a store that can be carried to another machine, as one file.

A store is as large as raw video and its flows are. A parcel has some places of its clips, cut out,
and no flows, which ``unpack`` estimates anew. It is a zip archive: `index.json` tells what the
clips are, and each member what is left of a clip when every frame is taken off the next one,
compressed by LZMA, in two fifths of the bytes.
"""

from __future__ import annotations

import itertools
import json
import lzma
import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vsvqe.training.pairs import DAMAGED, Pair, find_pairs
from vsvqe.training.store import Planes, ShardWriter, Store

# Sides of what is cut out of damaged clips, by scale: what the trainings draw, and some room.
SIDES = {1: 128, 2: 96, 4: 64}
# As many as photographs are filmed for: what windows see of both sides.
FRAMES = 15
# Of the bytes: what the trainings draw of filmed photographs.
STILLS_SHARE = 0.6
INDEX = "index.json"
# What the archive says of a member, twice, and the index.
_OVERHEAD = 800


@dataclass(frozen=True)
class Cut:
    """One clip of a parcel; see ``store.Entry``.

    Attributes:
        shard: "train", "stills" or "valid".
        source: Name that all versions of the same place share.
        kind: As in the store.
        recipe: What damaged it.
        shape: Frames, height and width of the luma.
        mse: Luma error of every frame, of the whole picture that it was cut out of.
    """

    shard: str
    source: str
    kind: str
    recipe: str
    shape: tuple[int, int, int]
    mse: tuple[float, ...]


@dataclass(frozen=True)
class Packed:
    """What is in a parcel.

    Attributes:
        places: How many places of clips to train on.
        checks: How many to judge by.
        size: Bytes of the file.
    """

    places: int
    checks: int
    size: int


def pack(
    cache: Path,
    path: Path,
    scale: int,
    kinds: Sequence[str] = (),
    limit: int = 32 << 20,
    seed: int = 1,
) -> Packed:
    """Fills a parcel with places that are drawn from a store.

    Every clip to judge by gives its middle. The others give one place each, then another one, until
    the next has no room; filmed photographs and clips in turns, so that both get their share.

    Args:
        cache: Folder of the store.
        path: File to write.
        scale: 1 for Deblock, 2 or 4 for SuperRes.
        kinds: Of damaged clips; those of ``DAMAGED`` by default.
        limit: Bytes that the file may have.
        seed: Of all choices.

    Raises:
        ValueError: The store has nothing of these kinds, or the limit is too little for what is to
            be judged by and one place of each sort of source.
    """
    rng = np.random.default_rng(seed)
    kinds = kinds or DAMAGED[scale]
    valid = Store(cache, "valid-*")
    waiting = {
        name: _places(Store(cache, f"{name}-*"), name, scale, kinds, rng)
        for name in ("train", "stills")
    }
    cuts: list[Cut] = []
    used = dict.fromkeys(waiting, 0)
    places, spent = 0, 0
    unfinished = path.with_name(f"{path.name}.part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:

        def added(place: Iterable[tuple[Cut, Planes]]) -> int:
            """Adds all versions of a place if there is room; returns their size, or 0."""
            clips = [(cut, _compressed(planes)) for cut, planes in place]
            size = sum(len(raw) + _OVERHEAD for _, raw in clips)
            if spent + size > limit:
                return 0
            for cut, raw in clips:
                archive.writestr(str(len(cuts)), raw)
                cuts.append(cut)
            return size

        checks = list(_groups(valid, scale, kinds))
        for number, pairs in enumerate(checks):
            size = added(_cut_out(valid, pairs, scale, "valid", number, None))
            if not size:
                raise ValueError(f"{limit} bytes are too few for the clips to judge by")
            spent += size
        shares = {"train": 1.0 - STILLS_SHARE, "stills": STILLS_SHARE}
        while True:
            name = min(used, key=lambda name: used[name] / shares[name])
            size = added(next(waiting[name]))
            if not size:
                break
            places, spent, used[name] = places + 1, spent + size, used[name] + size
        if not all(used.values()):
            raise ValueError(f"{limit} bytes are too few for a place of each sort of source")
        index = json.dumps([asdict(cut) for cut in cuts])
        archive.writestr(INDEX, index, zipfile.ZIP_LZMA)
    os.replace(unfinished, path)
    return Packed(places, len(checks), path.stat().st_size)


def unpack(path: Path, cache: Path) -> int:
    """Makes a store of a parcel, with flows.

    Args:
        path: The parcel.
        cache: Folder for the shards.

    Returns:
        The number of clips.

    Raises:
        zipfile.BadZipFile: The file is no parcel, or damaged.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path) as archive:
        fields = json.loads(archive.read(INDEX))
        cuts = [
            Cut(**each | {"shape": tuple(each["shape"]), "mse": tuple(each["mse"])})
            for each in fields
        ]
        numbered = list(enumerate(cuts))
        for shard in sorted({cut.shard for cut in cuts}):
            with ShardWriter(cache / f"{shard}-0") as writer:
                for number, cut in numbered:
                    if cut.shard == shard:
                        planes = _restored(archive.read(str(number)), cut.shape)
                        writer.add(cut.source, cut.kind, planes, cut.recipe, cut.mse)
    return len(cuts)


def _groups(store: Store, scale: int, kinds: Sequence[str]) -> Iterator[list[Pair]]:
    """Yields the pairs of every source that share an original.

    Raises:
        ValueError: There are none.
    """
    pairs = find_pairs(store, kinds, scale)
    if not pairs:
        raise ValueError(f"the store has no clips of {', '.join(kinds)}")
    order = sorted(pairs, key=_original)
    for _, group in itertools.groupby(order, _original):
        yield list(group)


def _original(pair: Pair) -> tuple[str, int]:
    """Returns where the undamaged clip of a pair is."""
    return pair.shard, pair.clean.offset


def _places(
    store: Store, name: str, scale: int, kinds: Sequence[str], rng: np.random.Generator
) -> Iterator[Iterator[tuple[Cut, Planes]]]:
    """Yields places without end: one of each source, in a random order, again and again."""
    groups = list(_groups(store, scale, kinds))
    for turn in itertools.count():
        for number in rng.permutation(len(groups)):
            number_of_place = turn * len(groups) + int(number)
            yield _cut_out(store, groups[number], scale, name, number_of_place, rng)


def _cut_out(
    store: Store,
    pairs: Sequence[Pair],
    scale: int,
    shard: str,
    number: int,
    rng: np.random.Generator | None,
) -> Iterator[tuple[Cut, Planes]]:
    """Yields all versions of a place, the original first; of the middle without a generator."""
    smallest = min(pairs, key=lambda pair: pair.damaged.height * pair.damaged.width).damaged
    height, width = (min(SIDES[scale], side // 2 * 2) for side in (smallest.height, smallest.width))
    # What runs forwards and then backwards shows the first frames, and is taken as it is.
    mirrored = [pair.damaged.kind.endswith("real") for pair in pairs]
    room = [
        0 if any(mirrored) else max(pairs[0].clean.frames - FRAMES, 0),
        (smallest.height - height) // 2,
        (smallest.width - width) // 2,
    ]
    first, top, left = (
        (most // 2 for most in room) if rng is None else rng.integers(np.add(room, 1)).tolist()
    )
    top, left = 2 * top, 2 * left
    source = f"{pairs[0].clean.source}-{number}"
    versions = [(pairs[0].clean, scale, FRAMES)]
    versions += [
        (pair.damaged, 1, pair.damaged.frames if whole else FRAMES)
        for pair, whole in zip(pairs, mirrored, strict=True)
    ]
    for entry, times, frames in versions:
        planes = _part(
            store.planes(pairs[0].shard, entry),
            slice(first, first + frames),
            *(slice(times * a, times * (a + b)) for a, b in ((top, height), (left, width))),
        )
        mse = entry.mse[first : first + frames]
        cut = Cut(shard, source, entry.kind, entry.recipe, planes.y.shape, mse)
        yield cut, planes


def _part(planes: Planes, frames: slice, rows: slice, columns: slice) -> Planes:
    """Cuts frames and a part of them out of a clip; sides are even."""
    high, wide = (slice(side.start // 2, side.stop // 2) for side in (rows, columns))
    return Planes(
        planes.y[frames, rows, columns], planes.u[frames, high, wide], planes.v[frames, high, wide]
    )


def _compressed(planes: Planes) -> bytes:
    """Returns a clip in few bytes."""
    # Bytes wrap, so that differences fit into them.
    rests = [np.diff(plane, axis=0, prepend=np.zeros_like(plane[:1])) for plane in planes]
    return lzma.compress(b"".join(rest.tobytes() for rest in rests))


def _restored(raw: bytes, shape: tuple[int, int, int]) -> Planes:
    """Returns the clip that ``_compressed`` was given."""
    frames, height, width = shape
    rest = np.frombuffer(lzma.decompress(raw), np.uint8)
    half = (frames, height // 2, width // 2)
    sizes = np.cumsum((frames * height * width, int(np.prod(half))))
    planes = (
        np.cumsum(part.reshape(size), axis=0, dtype=np.uint8)
        for part, size in zip(np.split(rest, sizes), (shape, half, half), strict=True)
    )
    y, u, v = planes
    return Planes(y, u, v)
