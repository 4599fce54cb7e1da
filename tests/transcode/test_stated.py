"""What encoders wrote into their streams, by the real encoders."""

import av
import numpy as np
import pytest
from support.clips import scene
from support.codecs import encode

from vsvqe.transcode import stated

QUIET = {"x265-params": "log-level=none"}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize(
    ("codec", "options", "quantiser"),
    [
        ("libx264", {"crf": "31.5"}, 31.5),
        ("libx264", {"qp": "22"}, 22.0),
        ("libx264", {"b": "200k"}, None),
        ("libx265", {"crf": "33"} | QUIET, 33.0),
        ("libx265", {"x265-params": "qp=37:log-level=none"}, 37.0),
        ("libx265", {"b": "200k"} | QUIET, None),
        ("mpeg2video", {"qmin": "8", "qmax": "8"}, None),
    ],
)
def test_the_quantiser_is_the_one_that_was_asked_for(tmp_path, codec, options, quantiser, suffix):
    path = encode(scene(128, 96, 3), tmp_path / f"coded{suffix}", (codec, options))
    assert stated.quantiser(path) == quantiser


def test_what_is_no_video_states_nothing(tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("x264 - core 164 options: rc=crf crf=20.0\n")
    assert stated.quantiser(text) is None
    assert stated.quantiser(tmp_path / "missing.mp4") is None
    sound = tmp_path / "sound.wav"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert stated.quantiser(sound) is None


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        (b"crf=20.0", b"crf=much"),
        (b"crf=20.0", b"crf=-9.0"),
        (b"crf=20.0", b"cri=20.0"),
        (b"rc=crf", b"rc=abr"),
        (b"rc=crf", b"ro=crf"),
        (b"options: ", b"choices: "),
    ],
)
def test_options_that_make_no_sense_state_nothing(tmp_path, written, instead):
    path = encode(scene(128, 96, 1), tmp_path / "coded.mkv", ("libx264", {"crf": "20"}))
    assert stated.quantiser(path) == 20.0
    data = path.read_bytes()
    assert written in data
    path.write_bytes(data.replace(written, instead))
    assert stated.quantiser(path) is None
