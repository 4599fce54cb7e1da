"""Tiles without seams, and smaller ones when memory runs out."""

import itertools
import logging
import threading

import numpy as np
import pytest
import vapoursynth as vs
from hypothesis import assume, given
from hypothesis import strategies as st
from support.clips import all_same, largest_difference, pictures, scene
from support.models import blur

import vsvqe as vqe
from vsvqe.filters import sessions
from vsvqe.inference import tiles
from vsvqe.inference.errors import OutOfMemory
from vsvqe.inference.tiles import Geometry, TiledRunner, spans

FULL_SCALE = 1 / 1024


@given(
    length=st.integers(1, 300),
    tile=st.integers(1, 320),
    pad=st.integers(0, 40),
    factor=st.sampled_from([1, 2, 3]),
)
def test_weights_sum_to_one_everywhere(length, tile, pad, factor):
    assume(tile >= length or tile > 2 * pad)
    total = np.zeros(length * factor)
    covered = spans(length, tile, pad)
    for span in covered:
        first, last = span.start + span.first, span.start + span.last
        assert span.start >= 0
        assert span.start + min(tile, length) <= length
        total[first * factor : last * factor] += tiles._weights(span, factor)
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert covered[0].start == 0


@given(length=st.integers(30, 300), tile=st.integers(20, 299), pad=st.integers(0, 40))
def test_neighbours_overlap_by_twice_the_padding(length, tile, pad):
    assume(2 * pad < tile < length)
    starts = [span.start for span in spans(length, tile, pad)]
    assert starts[-1] + tile == length
    assert all(b - a <= tile - 2 * pad for a, b in itertools.pairwise(starts))


@pytest.mark.parametrize("filter", [vqe.Deblock, vqe.SuperRes])
@pytest.mark.parametrize("tile", [(64, 64), (75, 61), (160, 58), (500, 64)])
def test_no_seam(filter, tile, either):
    clip = scene(150, 106, 2, vs.YUV420PS if tile != (64, 64) else vs.GRAYS)
    whole = filter(clip, backend="cpu")
    tiled = filter(clip, backend="cpu", tile=tile)
    assert largest_difference(whole, tiled) < FULL_SCALE


def test_no_seam_on_openvino(openvino, either):
    clip = scene(150, 106, 2, vs.YUV420PS)
    whole = vqe.Deblock(clip, backend="openvino", fp16=False)
    tiled = vqe.Deblock(clip, backend="openvino", fp16=False, tile=(64, 80))
    assert largest_difference(whole, tiled) < FULL_SCALE


def test_too_little_padding_shows(windowed):
    # So that the tests above can fail: this is what a lack of context does.
    clip = scene(150, 106, 2, vs.YUV420PS)
    whole = vqe.Deblock(clip, backend="cpu")
    tiled = vqe.Deblock(clip, backend="cpu", tile=(48, 48), tile_pad=0)
    assert largest_difference(whole, tiled) > 4 * FULL_SCALE


@pytest.mark.parametrize("tile", [(96, 96), (111, 97)])
def test_no_seam_of_an_image_model(tile, tmp_path):
    clip = scene(200, 150, 1, vs.RGBS)
    path = blur(tmp_path, 8)
    whole = vqe.Deblock(clip, model=path, backend="cpu")
    tiled = vqe.Deblock(clip, model=path, backend="cpu", tile=tile)
    assert largest_difference(whole, tiled) < FULL_SCALE


class Limited:
    """A session that has too little memory for more than so many samples of luma."""

    def __init__(self, session, most):
        self.session, self.most = session, most
        self.description = session.description

    def run(self, arrays, *rest):
        if arrays[0].shape[-1] * arrays[0].shape[-2] > self.most:
            raise OutOfMemory("out of memory while running the test")
        return self.session.run(arrays, *rest)


@pytest.fixture
def limited(monkeypatch):
    """Lets own models run out of memory, when they are opened or when they run."""

    def limit(most: int, *, when_opened: bool) -> None:
        original = sessions.open_session

        def opened(request, backend):
            _, (_, _, height, width) = request.shapes[0]
            if when_opened and width * height > most:
                raise OutOfMemory("out of memory while opening the test")
            session, found = original(request, backend)
            return Limited(session, most), found

        monkeypatch.setattr(sessions, "open_session", opened)

    return limit


def warnings_of(caplog) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("when_opened", [False, True])
@pytest.mark.parametrize("most", [160 * 100, 70 * 70])
def test_out_of_memory_halves_tiles_and_warns_once(limited, caplog, when_opened, most, backend):
    clip = scene(160, 128, 9, vs.YUV420PS)
    whole = pictures(vqe.Deblock(clip, backend=backend, fp16=False))
    limited(most, when_opened=when_opened)
    filtered = vqe.Deblock(clip, backend=backend, fp16=False, length=3, num_streams=2)
    for got, wanted in zip(pictures(filtered), whole, strict=True):
        for a, b in zip(got, wanted, strict=True):
            assert np.abs(a - b).max() < FULL_SCALE
    (warning,) = warnings_of(caplog)
    assert "out of memory" in warning
    assert "tile=" in warning


@pytest.mark.parametrize("when_opened", [False, True])
def test_no_tile_is_small_enough(limited, when_opened):
    limited(10, when_opened=when_opened)
    with pytest.raises(vs.Error, match=r"Deblock: .*out of memory.*no smaller") as error:
        vqe.Deblock(scene(160, 128, 3), backend="cpu").get_frame(0)
    assert "tile" in str(error.value)


def test_a_tile_of_ones_own_is_kept_where_it_fits(limited, caplog):
    clip = scene(160, 128, 2, vs.YUV420PS)
    whole = vqe.Deblock(clip, backend="cpu")
    limited(64 * 64, when_opened=True)
    caplog.clear()
    tiled = vqe.Deblock(clip, backend="cpu", tile=(64, 64))
    assert largest_difference(whole, tiled) < FULL_SCALE
    assert warnings_of(caplog) == []


def test_threads_that_run_out_of_memory_together():
    size = (64, 64)
    opened = []
    barrier = threading.Barrier(4, timeout=10)

    class Fixed:
        """As an engine of a fixed shape: it runs at this size and no other."""

        description = "test"

        def __init__(self, tile):
            self.tile = tile

        def run(self, arrays, out):
            if self.tile == size:
                barrier.wait()
                raise OutOfMemory("out of memory")
            assert arrays[0].shape[-2:] == (self.tile[1], self.tile[0])
            out[0][...] = arrays[0] * 2

    def open_session(tile):
        opened.append(tile)
        return Fixed(tile)

    runner = TiledRunner(open_session, Geometry((1,), (1,)), size, None, 4)
    picture = np.random.default_rng(0).random((1, 1, 64, 64), np.float32)
    results = [np.zeros_like(picture) for _ in range(4)]
    workers = [
        threading.Thread(target=runner.run, args=([picture], [result])) for result in results
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=30)
    for result in results:
        np.testing.assert_allclose(result, picture * 2, atol=1e-6)
    assert len(opened) == 2


def test_tiles_and_streams_are_deterministic():
    clip = scene(150, 106, 8)
    frames = vqe.Deblock(clip, backend="cpu", tile=(64, 64), length=2)
    assert all_same(
        frames, vqe.Deblock(clip, backend="cpu", tile=(64, 64), length=2, num_streams=3)
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"tile": (20, 20)}, "no room for"),
        ({"tile": (64, 64), "tile_pad": 32}, "no room for"),
        ({"tile": (64, 8)}, "tile=8"),
        ({"tile": 64}, "must be"),
        ({"tile": (64,)}, "must be"),
        ({"tile": (64, 64, 64)}, "must be"),
        ({"tile": (64.0, 64.0)}, "tile=64.0"),
        ({"tile": "64x64"}, "tile="),
        ({"tile": ("64", "64")}, "tile='64'"),
        ({"tile": (-64, 64)}, "tile=-64"),
        ({"tile_pad": -1}, "tile_pad=-1"),
        ({"tile_pad": 1.5}, "tile_pad=1.5"),
        ({"tile_pad": True}, "tile_pad=True"),
    ],
)
@pytest.mark.parametrize("filter", [vqe.Deblock, vqe.SuperRes])
def test_bad_tiles(filter, arguments, text):
    with pytest.raises(vs.Error, match=f"^{filter.__name__}: .*{text}"):
        filter(scene(160, 128, 2), backend="cpu", **arguments)
