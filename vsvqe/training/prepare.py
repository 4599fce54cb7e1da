"""Fills the cache: decodes clips, films stills, and damages both ahead of training."""

from __future__ import annotations

import logging
import multiprocessing
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vsvqe.training.codecs import coded
from vsvqe.training.decoding import decode
from vsvqe.training.degrade import degrade, from_planes, mirrored
from vsvqe.training.motion import still_to_clip, to_planes
from vsvqe.training.recipes import (
    Recipe,
    avc,
    hevc,
    random_half_recipe,
    random_history,
    random_quarter_recipe,
)
from vsvqe.training.resample import reduced
from vsvqe.training.store import Bytes, Planes, ShardWriter, luma_mse
from vsvqe.training.variation import varied

# Windows reach eight frames ahead.
STILL_FRAMES = 15
PASSER_SHARE = 0.3
# What is smaller has nothing left at a quarter of its size that a crop could show.
SMALLEST_TO_QUARTER = 224
# Of clean clips, that are damaged as the real world does: twice as many come of it.
REAL_FRAMES = 8
# Photographs stored nearly without loss; the others are shrunk to hide their compression.
CLEAN_STILLS = ("cid22", "clic2025", "gb82")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One shard to be made.

    Attributes:
        name: Name of the shard.
        kind: "train", "stills" or "valid".
        files: The sources.
        cache: Folder of the cache.
        seed: Seed of all random choices.
    """

    name: str
    kind: str
    files: tuple[Path, ...]
    cache: Path
    seed: int


def prepare(data: Path, cache: Path, seed: int, passes: int, processes: int) -> None:
    """Makes all shards that are missing.

    Args:
        data: Folder with `train`, `valid` and `stills`.
        cache: Folder for the shards.
        seed: Seed of all random choices.
        passes: How many times every source is used, with new damage (and for stills new motion).
        processes: Worker processes.
    """
    cache.mkdir(parents=True, exist_ok=True)
    jobs = [job for job in plan(data, cache, seed, passes) if not _finished(job)]
    log.info("%d shards to make", len(jobs))
    # Read by the workers when they start: threads of their own would only be in each other's way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for number, name in enumerate(pool.imap_unordered(run, jobs), 1):
            log.info("%d/%d: %s", number, len(jobs), name)


def plan(data: Path, cache: Path, seed: int, passes: int) -> list[Job]:
    """Returns all jobs, in an order that mixes the kinds of sources early."""
    clips = sorted((data / "train").glob("*.mp4"))
    stills = sorted((data / "stills").iterdir())
    jobs = []
    valid = sorted((data / "valid").glob("*.mp4"))
    for half in range(2):
        jobs.append(Job(f"valid-{half}", "valid", tuple(valid[half::2]), cache, seed))
    for turn in range(passes):
        for part in range(14):
            for kind, files in (("train", clips), ("stills", stills)):
                name = f"{kind}-{turn}-{part:02d}"
                own = zlib.crc32(f"{seed} {name}".encode())
                jobs.append(Job(name, kind, tuple(files[part::14]), cache, own))
    return [job for job in jobs if job.files]


def run(job: Job) -> str:
    """Makes one shard and returns its name."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(job.seed)
    with ShardWriter(job.cache / job.name) as shard:
        for number, file in enumerate(job.files):
            # What is smaller came later, and was not to change what there was.
            apart = np.random.default_rng((job.seed, number))
            if job.kind == "valid":
                clean = decode(file)
                shard.add(file.stem, "clean", clean)
                _damage(shard, file.stem, "coded", clean, (hevc(37),), (avc(35),))
                _add_half(shard, file.stem, clean, avc(28))
                add_quarter(shard, file.stem, clean, apart, avc(28))
                add_real(shard, file.stem, clean, apart)
            elif job.kind == "train":
                clean = varied(decode(file), rng)
                shard.add(file.stem, "clean", clean)
                histories = (random_history(rng, clean.y[0].size) for _ in range(2))
                _damage(shard, file.stem, "coded", clean, *histories)
                _add_half(shard, file.stem, clean, random_half_recipe(rng))
                add_quarter(shard, file.stem, clean, apart)
                add_real(shard, file.stem, clean, apart)
            else:
                passer = job.files[(number + 1) % len(job.files)]
                clean = _film(file, passer if rng.random() < PASSER_SHARE else None, rng)
                shard.add(file.stem, "clean", clean)
                _damage(shard, file.stem, "coded", clean, random_history(rng, clean.y[0].size))
                _add_half(shard, file.stem, clean, random_half_recipe(rng))
                add_quarter(shard, file.stem, clean, apart)
                add_real(shard, file.stem, clean, apart)
    return job.name


def _finished(job: Job) -> bool:
    """Tells whether the shard is there."""
    return (job.cache / f"{job.name}.json").exists()


def _damage(
    shard: ShardWriter, source: str, kind: str, clean: Planes, *histories: tuple[Recipe, ...]
) -> None:
    """Adds coded versions of a clip."""
    for history in histories:
        damaged, told = coded(clean, history)
        shard.add(source, kind, damaged, told, luma_mse(damaged, clean))


def _add_half(shard: ShardWriter, source: str, clean: Planes, recipe: Recipe) -> None:
    """Adds the downscaled clip and a coded version of it."""
    half = reduced(clean, 2)
    shard.add(source, "half", half)
    _damage(shard, source, "half-coded", half, (recipe,))


def add_quarter(
    shard: ShardWriter,
    source: str,
    clean: Planes,
    rng: np.random.Generator,
    recipe: Recipe | None = None,
) -> None:
    """Adds the clip at a quarter of its size, and a coded version of that.

    Args:
        shard: Where to add them.
        source: Name of the clip.
        clean: The clip.
        rng: Draws what codes it.
        recipe: What codes it instead.
    """
    if min(clean.y.shape[1:]) < SMALLEST_TO_QUARTER:
        return
    quarter = reduced(_cropped(clean, 8), 4)
    shard.add(source, "quarter", quarter)
    _damage(shard, source, "quarter-coded", quarter, (recipe or random_quarter_recipe(rng),))


def add_real(shard: ShardWriter, source: str, clean: Planes, rng: np.random.Generator) -> None:
    """Adds the first frames, and the same backwards, made small and bad as the real world does.

    Args:
        shard: Where to add them.
        source: Name of the clip.
        clean: The clip.
        rng: Source of all choices.
    """
    if min(clean.y.shape[1:]) < SMALLEST_TO_QUARTER:
        return
    frames = min(REAL_FRAMES, len(clean.y) // 2)
    half = from_planes(Planes(*(plane[:frames] for plane in _cropped(clean, 8))))
    damaged = degrade(mirrored(half), 4, rng)
    shard.add(source, "quarter-real", to_planes(list(damaged)))


def _cropped(planes: Planes, multiple: int) -> Planes:
    """Cuts rows and columns off at the end, so that the sides are multiples of a number."""
    height, width = (side // multiple * multiple for side in planes.y.shape[1:])
    return Planes(
        planes.y[:, :height, :width],
        planes.u[:, : height // 2, : width // 2],
        planes.v[:, : height // 2, : width // 2],
    )


def _film(file: Path, passer: Path | None, rng: np.random.Generator) -> Planes:
    """Makes a clip from a photograph."""
    still = _read(file)
    shortest = min(still.shape[:2])
    lowest = 0.6 if file.name.startswith(CLEAN_STILLS) else 0.5
    highest = 1.0 if file.name.startswith(CLEAN_STILLS) else 0.75
    # Half of the clean pictures keep every detail; none gets smaller than a useful clip.
    draw = highest if rng.random() < 0.5 else rng.uniform(lowest, highest)
    shrink = min(1.0, max(float(draw), 240 / shortest))
    front = None if passer is None else _read(passer)
    return still_to_clip(still, front, shrink, STILL_FRAMES, rng)


def _read(file: Path) -> Bytes:
    """Reads an RGB picture."""
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"{file}: not a picture")
    return np.ascontiguousarray(picture[..., ::-1]).astype(np.uint8, copy=False)
