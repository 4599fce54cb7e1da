"""A small part of a store: what is in it, that it comes out as it was, and a training from it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support.clips import scene

from vsvqe.training.pairs import DAMAGED, REAL, find_pairs
from vsvqe.training.parcel import FRAMES, SIDES, pack, unpack
from vsvqe.training.prepare import add_quarter, add_real
from vsvqe.training.resample import reduced
from vsvqe.training.store import Planes, ShardWriter, Store, both_ways

SCRIPT = Path(__file__).parents[2] / "scripts" / "train.py"


def found(whole: np.ndarray, part: np.ndarray) -> bool:
    """Whether a clip is a part of another one, searched for exhaustively."""
    frames, height, width = part.shape
    windows = np.lib.stride_tricks.sliding_window_view(whole, (1, height, width))[:, :, :, 0]
    starts = np.argwhere((windows[..., 0, :8] == part[0, 0, :8]).all(-1))
    return any(
        np.array_equal(whole[n : n + frames, y : y + height, x : x + width], part)
        for n, y, x in starts
    )


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """A store of clips that are large enough to be quartered."""
    folder = tmp_path_factory.mktemp("large")
    for seed, name in enumerate(("train-0-00", "stills-0-00", "valid-0")):
        frames = [[np.array(p) for p in f] for f in scene(272, 240, 18, seed=seed).frames()]
        clean = Planes(*(np.stack(planes) for planes in zip(*frames, strict=True)))
        rng = np.random.default_rng(seed)
        with ShardWriter(folder / name) as shard:
            shard.add("clip", "clean", clean)
            shard.add("clip", "half", reduced(clean, 2))
            add_quarter(shard, "clip", clean, rng)
            add_real(shard, "clip", clean, rng)
    return folder


@pytest.mark.parametrize(
    ("made", "scale", "kinds"),
    [
        ("cache", 1, DAMAGED[1]),
        ("cache", 2, DAMAGED[2]),
        ("large", 2, REAL[2]),
        ("large", 4, REAL[4]),
    ],
)
def test_what_comes_out_is_a_part_of_what_was_there(request, tmp_path, made, scale, kinds):
    cache = request.getfixturevalue(made)
    packed = pack(cache, tmp_path / "parcel.zip", scale, kinds, limit=1 << 20)
    unpacked = tmp_path / "unpacked"
    count = unpack(tmp_path / "parcel.zip", unpacked)
    store, small = Store(cache), Store(unpacked)
    assert count == len(small.clips)
    pairs = find_pairs(small, kinds, scale)
    assert {pair.damaged.kind for pair in pairs} == set(kinds)
    assert {pair.shard for pair in pairs} == {"stills-0", "train-0", "valid-0"}
    assert packed.places + packed.checks == len({(p.shard, p.clean.source) for p in pairs})
    for pair in pairs:
        y = small.planes(pair.shard, pair.damaged).y
        assert max(y.shape[1:]) <= SIDES[scale]
        wholes = [
            (store.planes(shard, entry).y, entry)
            for shard, entry in store.clips
            if (entry.kind, entry.recipe) == (pair.damaged.kind, pair.damaged.recipe)
            and pair.clean.source.startswith(entry.source)
        ]
        (entry,) = (entry for whole, entry in wholes if found(whole, y))
        assert set(pair.damaged.mse) <= set(entry.mse)
        assert np.array_equal(small.flows(pair.shard, pair.damaged), both_ways(y))
        clean = small.planes(pair.shard, pair.clean)
        assert clean.y.shape[1:] == tuple(scale * side for side in y.shape[1:])
        # Of the same place: the means of squares of pixels follow each other.
        for n in range(len(y)):
            original = clean.y[pair.clean_frame(n)].astype(np.float64)
            means = [
                p.reshape(y.shape[1] // 4, -1, y.shape[2] // 4, p.shape[1] // (y.shape[2] // 4))
                .mean((1, 3))
                .ravel()
                for p in (original, y[n].astype(np.float64))
            ]
            assert np.corrcoef(means)[0, 1] > 0.8


def test_chroma_comes_out_as_it_was(cache, tmp_path):
    pack(cache, tmp_path / "parcel.zip", 1, limit=1 << 20)
    unpack(tmp_path / "parcel.zip", tmp_path)
    store, small = Store(cache, "valid-*"), Store(tmp_path, "valid-*")
    own = {
        entry.source: store.planes(shard, entry)
        for shard, entry in store.clips
        if entry.kind == "clean"
    }
    clean = [clip for clip in small.clips if clip[1].kind == "clean"]
    assert len(clean) == len(own)
    for shard, entry in clean:
        cut, whole = small.planes(shard, entry), own[entry.source.rpartition("-")[0]]
        # The middle; these clips are shorter than what is cut out, and less high.
        height, width = cut.y.shape[1:]
        left = (whole.y.shape[2] - width) // 4 * 2
        columns = slice(left // 2, (left + width) // 2)
        assert height == whole.y.shape[1] and len(whole.y) <= FRAMES
        for plane, part in zip(whole[1:], cut[1:], strict=True):
            assert np.array_equal(plane[..., columns], part)


def test_the_same_seed_gives_the_same_parcel_and_another_one_another(cache, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        pack(cache, tmp_path / name, 2, limit=2 << 20, seed=seed)
    members = []
    for name in "abc":
        with zipfile.ZipFile(tmp_path / name) as archive:
            members.append({each: archive.read(each) for each in archive.namelist()})
    assert members[0] == members[1] != members[2]


def test_it_is_as_large_as_it_may_be_and_both_sorts_have_their_share(cache, tmp_path):
    limit = 3 << 20
    packed = pack(cache, tmp_path / "parcel.zip", 1, limit=limit)
    assert 0.8 * limit < packed.size <= limit
    assert packed.size == (tmp_path / "parcel.zip").stat().st_size
    unpack(tmp_path / "parcel.zip", tmp_path)
    sizes = {
        name: sum(
            entry.frames * entry.height * entry.width for _, entry in Store(tmp_path, name).clips
        )
        for name in ("train-*", "stills-*")
    }
    assert 0.35 < sizes["stills-*"] / sum(sizes.values()) < 0.85


def test_what_has_no_room_is_said(cache, tmp_path):
    with pytest.raises(ValueError, match="too few for the clips to judge by"):
        pack(cache, tmp_path / "parcel.zip", 1, limit=10_000)
    with pytest.raises(ValueError, match="no clips of nothing"):
        pack(tmp_path, tmp_path / "parcel.zip", 1, ("nothing",))
    assert not (tmp_path / "parcel.zip").exists()


BARE = """
import runpy, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("vapoursynth", "av", "openvino", "lpips", "spandrel"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
sys.argv = ["train.py", *sys.argv[2:]]
runpy.run_path(sys.orig_argv[3], run_name="__main__")
"""


@pytest.mark.skipif(not SCRIPT.is_file(), reason="not run from a checkout")
def test_a_machine_without_vapoursynth_and_pyav_trains_from_it(large, tmp_path, python):
    parcel, unpacked, out = (tmp_path / name for name in ("parcel.zip", "cache", "out"))
    words = [sys.executable, SCRIPT, "pack", "--cache", large, "--parcel", parcel, "--scale", "2"]
    subprocess.run([*map(str, words), "--megabytes", "1"], check=True)
    runs = (
        ("unpack", "--parcel", parcel, "--cache", unpacked),
        ("train", "superres-x2-fast", "--cache", unpacked, "--out", out, "--steps", 2),
    )
    for words in runs:
        run = python(BARE, SCRIPT, *words)
        assert run.returncode == 0, run.stderr
    log = (out / "log.csv").read_text().splitlines()
    assert log[0].startswith("step,") and log[1].startswith("2,")
    assert (out / "checkpoint.pt").is_file()
