"""``vsvqe run``: what comes out, compared with what went in by other readers."""

import re
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import vapoursynth as vs
from filelock import FileLock
from support.clips import pictures, same, scene
from support.codecs import audio_packets, decode, encode
from support.models import nearest

from .movies import movie, texts_of, times_of

if not hasattr(vs.core, "bs"):
    pytest.skip("BestSource is not installed", allow_module_level=True)

LOSSLESS = ("--codec", "ffv1")
QUICK = ("--codec", "libx264", "--preset", "ultrafast", "-q")


def clip_of(path: Path) -> vs.VideoNode:
    return vs.core.bs.VideoSource(str(path), cachemode=0)


def assert_whole(run: subprocess.CompletedProcess[str], result: Path) -> None:
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""
    assert result.is_file()
    assert not result.with_name(f"{result.name}.vsvqe").exists()


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_all_that_is_beside_the_picture_stays(vsvqe, film, tmp_path, suffix):
    out = tmp_path / f"out{suffix}"
    assert_whole(vsvqe("run", film, out, "--filter", "std.Median(planes=0)", *QUICK), out)
    before, after = times_of(film), times_of(out)
    assert len(set(np.diff(before).round(3))) > 3
    assert np.allclose(after, before, atol=1e-6)
    assert np.allclose(times_of(out, "audio"), times_of(film, "audio"), atol=0.0011)
    assert audio_packets(out) == audio_packets(film)
    kept = [(start, length) for start, length, _ in texts_of(film)]
    assert [(start, length) for start, length, _ in texts_of(out)] == kept
    assert [text.rpartition("}")[2] for *_, text in texts_of(out)] == ["Line 0", "Line 1"]
    with av.open(str(film)) as one, av.open(str(out)) as two:
        assert two.metadata["title"] == "The film"
        # MP4 holds the titles of chapters in a stream of data.
        kinds = [s.type for s in two.streams if s.type != "data"]
        assert kinds == [s.type for s in one.streams]
        assert two.streams.audio[0].language == "deu"
        assert two.streams.subtitles[0].language == "fra"
        chapters = [
            [
                (
                    float(c["start"] * c["time_base"]),
                    float(c["end"] * c["time_base"]),
                    c["metadata"],
                )
                for c in container.chapters()
            ]
            for container in (one, two)
        ]
        assert len(chapters[0]) == 2
        assert chapters[0] == chapters[1]
        assert two.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
        context = two.streams.video[0].codec_context
        named = (context.colorspace, context.color_trc, context.color_primaries)
        assert (*named, context.color_range) == (6, 6, 6, 1)


def test_the_picture_is_what_the_script_gives(here, film, tmp_path):
    out = tmp_path / "out.mkv"
    options = ("--deblock", "fast", "--backend", "cpu", "--preview", "30f@240f")
    dry = here("run", film, out, *options, *LOSSLESS, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert not out.exists()
    assert_whole(here("run", film, out, *options, *LOSSLESS, "-q"), out)
    names: dict = {}
    exec(dry.stdout, names)
    vs.clear_outputs()
    wanted = pictures(names["clip"])
    got = decode(out)
    assert len(got) == len(wanted) == 30
    assert all(same(a, b) for a, b in zip(got, wanted, strict=True))


def test_the_script_is_the_dry_run(here, film, tmp_path):
    script = tmp_path / "restore.vpy"
    options = ("--traditional", "unsharp:0.5", "--superres", "--superres-model", "fast")
    dry = here("run", film, tmp_path / "out.mkv", *options, "--dry-run")
    written = here("script", film, script, *options)
    assert dry.returncode == written.returncode == 0, dry.stderr + written.stderr
    assert script.read_text() == dry.stdout
    sharpened, enlarged = dry.stdout.index("traditional.unsharp"), dry.stdout.index("vqe.SuperRes")
    assert sharpened < enlarged


def test_deblock_is_told_the_quantiser_that_the_source_states(here, tmp_path):
    coded = encode(scene(96, 64, 4), tmp_path / "coded.mkv", ("libx264", {"crf": "31.5"}))
    script = tmp_path / "script.vpy"

    def written(*options: object) -> str:
        run = here("script", coded, script, "--overwrite", *options)
        assert run.returncode == 0, run.stderr
        return script.read_text()

    assert "qp=31.5" in written("--deblock")
    assert "qp=31.5" in written("--deblock", "fast", "--strength", "auto")
    assert "qp=20.0" in written("--deblock", "--qp", 20)
    assert "qp=" not in written("--deblock", nearest(tmp_path, scale=1))
    assert "qp=" not in written("--filter", "Deblock()")
    assert "qp=" not in written("--astf")
    encode(scene(96, 64, 4), coded, ("mpeg2video", {}))
    assert "qp=" not in written("--deblock")


def test_the_first_that_takes_compression_away_is_told_the_quantiser(here, tmp_path):
    coded = encode(scene(96, 64, 4), tmp_path / "coded.mkv", ("libx264", {"crf": "31.5"}))
    script = tmp_path / "script.vpy"

    def told(*options: object) -> list[str]:
        """The filters that are told one."""
        run = here("script", coded, script, "--overwrite", *options)
        assert run.returncode == 0, run.stderr
        lines = [line for line in script.read_text().splitlines() if "qp=" in line]
        return [line.split("vqe.")[1].split("(")[0] for line in lines]

    assert told("--superres") == ["SuperRes"]
    assert told("--superres", 2, "--superres-model", "best") == ["SuperRes"]
    assert told("--superres", "--superres-model", "fast") == ["SuperRes"]
    assert told("--superres", 4, "--superres-model", "fast") == ["SuperRes"]
    assert told("--superres", 4, "--superres-model", "real") == []
    assert told("--superres", 4, "--superres-model", "best") == ["SuperRes"]
    # So do the siblings.
    assert told("--superres", "--detail", 1) == ["SuperRes"]
    assert told("--superres", "--detail", 0.5) == ["SuperRes"]
    assert told("--superres", 4) == ["SuperRes"]
    assert told("--superres", 4, "--detail", 0.5) == ["SuperRes"]
    assert told("--superres", 4, "--detail", 1) == ["SuperRes"]
    assert told("--stabilize", "--superres", "--deblock") == ["SuperRes"]
    assert told("--deblock", "--superres") == ["Deblock"]
    assert told("--astf", "--superres") == told("--traditional", "mean", "--deblock") == []
    assert told("--deblock", "--superres", "--superres-qp", 12) == ["Deblock", "SuperRes"]


def test_filters_run_in_the_order_in_which_they_are_written(here, film, tmp_path):
    options = (
        *("--superres", "--superres-model", "fast", "--deblock", "fast", "--stabilize"),
        *("--astf", 0.5, "--astf-model", "best"),
    )
    dry = here("run", film, tmp_path / "out.mkv", *options, "--backend", "cpu", "--dry-run")
    lines = [line for line in dry.stdout.splitlines() if "vqe." in line]
    assert [line.split("vqe.")[1].split("(")[0] for line in lines] == [
        *("SuperRes", "Deblock", "Stabilize", "ASTF")
    ]
    assert "model='best'" in lines[-1] and "sharpen=0.5" in lines[-1]


def test_what_all_filters_share_reaches_each_of_them(here, film, tmp_path):
    options = ("--deblock", "--stabilize", "--filter", "ASTF(sharpen=0.5) + Deblock(ensemble=2)")
    shared = ("--ensemble", 4, "--device-index", 1)
    dry = here("run", film, tmp_path / "out.mkv", *options, *shared, "--dry-run")
    deblock, stabilize, astf, last = (x for x in dry.stdout.splitlines() if "vqe." in x)
    assert all("device_index=1" in line for line in (deblock, astf, last))
    assert all("ensemble=4" in line for line in (deblock, astf))
    assert "ensemble=2" in last and "ensemble" not in stabilize
    refused = here("run", film, tmp_path / "out.mkv", *options, "--ensemble", "many", "--dry-run")
    assert refused.returncode and "--ensemble" in refused.stderr


def test_a_preview_takes_its_part_of_everything(here, tmp_path):
    source = movie(tmp_path / "in.mkv", 60)
    out = tmp_path / "out.mkv"
    assert_whole(here("run", source, out, "--preview", "0.8s@0.5s", *LOSSLESS, "-q"), out)
    # 0.5 s is during frame 12, which begins at 0.48 s.
    wanted = pictures(clip_of(source)[12:32])
    got = decode(out)
    assert len(got) == 20
    assert all(same(a, b) for a, b in zip(got, wanted, strict=True))
    assert times_of(out)[0] == 0.0
    sound = times_of(out, "audio")
    assert 0 <= sound[0] < 0.03
    assert 0.7 < sound[-1] < 0.8
    ((start, length, _), (later, *_)) = texts_of(out)
    assert (start, length) == (0.0, pytest.approx(0.12, abs=0.002))
    assert later == pytest.approx(0.42, abs=0.002)
    with av.open(str(out)) as container:
        assert [c["metadata"]["title"] for c in container.chapters()] == ["Part 1", "Part 2"]


@pytest.mark.parametrize(
    ("codec", "options", "suffix"),
    [
        ("libx264", ("--preset", "medium"), ".mp4"),
        ("ffv1", (), ".mkv"),
    ],
)
def test_killed_and_repeated_the_result_is_bit_identical(
    vsvqe, started, film, tmp_path, codec, options, suffix
):
    whole, resumed = tmp_path / f"whole{suffix}", tmp_path / f"resumed{suffix}"
    arguments = ("--filter", "std.Median(planes=0)", "--codec", codec, *options, "-q")
    assert_whole(vsvqe("run", film, whole, *arguments), whole)
    folder = resumed.with_name(f"{resumed.name}.vsvqe")
    kills = 0
    for wanted in (1, 2):
        process = started("run", film, resumed, *arguments)
        while process.poll() is None and len(list(folder.glob("0*.mkv"))) < wanted:
            time.sleep(0.005)
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        # Killed at the very end it may be complete, but never anything between.
        assert not resumed.exists() or resumed.read_bytes() == whole.read_bytes()
    assert kills
    # What a failing disk and a power cut may leave: a wrong bit, and half of a line.
    if folder.is_dir():
        segment = folder / "000000.mkv"
        data = bytearray(segment.read_bytes())
        data[len(data) // 2] ^= 1
        segment.write_bytes(data)
        with (folder / "journal.jsonl").open("a") as journal:
            journal.write('{"segment": 2, "sha')
    assert_whole(vsvqe("run", film, resumed, *arguments), resumed)
    assert resumed.read_bytes() == whole.read_bytes()


def _interrupted(started, film: Path, out: Path, *arguments: str, how: int) -> tuple[int, str]:
    """Stops a run after its first segment."""
    process = started("run", film, out, "-q", *arguments)
    folder = out.with_name(f"{out.name}.vsvqe")
    while process.poll() is None and not list(folder.glob("0*.mkv")):
        time.sleep(0.005)
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


SLOW = ("--filter", " + ".join(["std.Median()"] * 120), *LOSSLESS)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are not sent this way there")
@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_says_how_to_go_on(started, film, tmp_path, how, code):
    out = tmp_path / "out.mkv"
    returned, errors = _interrupted(started, film, out, *SLOW, how=how)
    assert returned == code, errors
    assert "the same command goes on" in errors
    assert "Traceback" not in errors
    assert not out.exists()


def test_a_beginning_is_not_continued_by_another_command(vsvqe, started, film, tmp_path):
    out = tmp_path / "out.mkv"
    _interrupted(started, film, out, *SLOW, how=signal.SIGKILL)
    other = ("run", film, out, "--filter", "std.Median()", *LOSSLESS, "-q")
    refused = vsvqe(*other)
    assert refused.returncode == 6
    assert "differs in: script;" in refused.stderr
    assert "--restart" in refused.stderr
    assert not out.exists()
    assert_whole(vsvqe(*other, "--restart"), out)


def test_a_beginning_is_not_continued_on_another_engine(vsvqe, started, film, tmp_path):
    pytest.importorskip("openvino")
    command = (film, tmp_path / "out.mkv", "--filter", "Deblock(model='fast')", *LOSSLESS)
    _interrupted(started, *command, how=signal.SIGKILL)
    # `python -m` looks here first.
    (tmp_path / "openvino.py").write_text("raise ImportError('gone')")
    refused = vsvqe("run", *command, cwd=tmp_path)
    assert refused.returncode == 6, refused.stderr
    assert "differs in: engines;" in refused.stderr
    assert not command[1].exists()


def test_two_runs_do_not_write_the_same_file(here, film, tmp_path):
    folder = tmp_path / "out.mkv.vsvqe"
    folder.mkdir()
    with FileLock(folder / "lock"):
        second = here("run", film, tmp_path / "out.mkv", "-q", *LOSSLESS)
    assert second.returncode == 6
    assert "another process" in second.stderr


def test_what_exists_is_not_overwritten_unasked(here, film, tmp_path):
    out = tmp_path / "out.mkv"
    out.write_bytes(b"precious")
    refused = here("run", film, out, *LOSSLESS, "-q")
    assert (refused.returncode, out.read_bytes()) == (6, b"precious")
    assert "--overwrite" in refused.stderr
    assert list(tmp_path.iterdir()) == [out]
    assert_whole(here("run", film, out, *LOSSLESS, "-q", "--overwrite"), out)


def test_the_source_is_never_overwritten(here, tmp_path):
    source = movie(tmp_path / "in.mkv", 10)
    before = source.read_bytes()
    refused = here("run", source, source, *LOSSLESS, "-q", "--overwrite")
    assert refused.returncode == 6
    assert "the source itself" in refused.stderr
    assert source.read_bytes() == before


HDR = {
    "libx265": "hdr10=1:master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)"
    "L(10000000,50):max-cll=1000,400:log-level=none",
}


@pytest.mark.parametrize("codec", ["libx265", "libsvtav1", "libx264"])
def test_hdr_is_still_hdr(here, tmp_path, codec):
    source = movie(
        tmp_path / "in.mkv",
        4,
        codec="libx265",
        options={"preset": "ultrafast", "x265-params": HDR["libx265"]},
        pixel_format="yuv420p10le",
        colours=(9, 16, 9, 1),
        beside=False,
    )
    out = tmp_path / "out.mkv"
    assert_whole(here("run", source, out, "--codec", codec, "-q"), out)

    def told(path: Path) -> tuple[list, np.ndarray, bytes]:
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
            context = container.streams.video[0].codec_context
            tags = [context.pix_fmt, context.colorspace, context.color_trc]
            tags += [context.color_primaries, context.color_range]
            beside = {data.type.name: bytes(data) for data in frame.side_data.values()}
        # Ten fractions: primaries of red, green, blue, the white point, darkest, brightest.
        numbers = np.frombuffer(beside["MASTERING_DISPLAY_METADATA"], np.int32)[:20]
        light = beside["CONTENT_LIGHT_LEVEL"]
        return tags, numbers[::2] / numbers[1::2], light

    tags, mastering, light = told(out)
    wanted_tags, wanted, wanted_light = told(source)
    assert tags == wanted_tags == ["yuv420p10le", 9, 16, 9, 1]
    assert np.allclose(mastering, wanted, rtol=1e-4, atol=1e-4)
    assert wanted[-1] == 1000
    assert light == wanted_light
    assert list(np.frombuffer(light, np.uint32)[:2]) == [1000, 400]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_covers_and_fonts_come_along_where_they_can(here, tmp_path, suffix):
    plain = movie(tmp_path / "plain.mkv", 5, beside=False)
    source = tmp_path / "in.mkv"
    picture = np.full((16, 16, 3), 200, np.uint8)
    cover = cv2.imencode(".png", picture)[1].tobytes()
    with av.open(str(plain)) as one, av.open(str(source), "w") as two:
        video = two.add_stream_from_template(one.streams.video[0])
        two.add_attachment("font.ttf", "application/x-truetype-font", b"glyphs")
        two.add_attachment("cover.png", "image/png", cover)
        for packet in one.demux():
            if packet.size:
                packet.stream = video
                two.mux(packet)
    out = tmp_path / f"out{suffix}"
    run = here("run", source, out, *QUICK)
    assert_whole(run, out)
    with av.open(str(out)) as container:
        assert len(container.streams.video) == 2
        shown = next(container.decode(container.streams.video[1])).to_ndarray(format="rgb24")
        assert (shown == picture).all()
        fonts = {s.name: s.data for s in container.streams if s.type == "attachment"}
    assert fonts == ({"font.ttf": b"glyphs"} if suffix == ".mkv" else {})
    assert ("font.ttf is left out" in run.stderr) == (suffix == ".mp4")


def test_turned_pictures_are_upright_and_late_beginnings_begin(here, tmp_path):
    plain = movie(tmp_path / "plain.mp4", 5)
    turned, late = tmp_path / "turned.mp4", tmp_path / "late.ts"
    for path in (turned, late):
        with av.open(str(plain)) as one, av.open(str(path), "w") as two:
            wanted = [s for s in one.streams if s.type in ("video", "audio")]
            streams = {s.index: two.add_stream_from_template(s) for s in wanted}
            if path is turned:
                streams[0].set_display_rotation(90)
            for packet in one.demux(wanted):
                if packet.size:
                    if path is late:
                        seconds = round(2 / packet.time_base)
                        packet.pts, packet.dts = packet.pts + seconds, packet.dts + seconds
                    packet.stream = streams[packet.stream.index]
                    two.mux(packet)
    upright = tmp_path / "upright.mkv"
    assert_whole(here("run", turned, upright, *QUICK), upright)
    with av.open(str(upright)) as container:
        frame = next(container.decode(video=0))
        assert (frame.width, frame.height, frame.rotation) == (48, 64, 0)
    early = tmp_path / "early.mkv"
    assert_whole(here("run", late, early, *QUICK), early)
    assert times_of(late)[0] > 1
    assert np.diff(times_of(early)) == pytest.approx(np.diff(times_of(late)), abs=0.0011)
    gap = times_of(late)[0] - times_of(late, "audio")[0]
    assert min(times_of(early)[0], times_of(early, "audio")[0]) == pytest.approx(0, abs=0.03)
    assert times_of(early)[0] - times_of(early, "audio")[0] == pytest.approx(gap, abs=0.0021)


def test_formats_that_an_encoder_does_not_take_are_converted_to_the_nearest(here, tmp_path):
    source = movie(
        tmp_path / "in.mkv", 3, codec="ffv1", options={}, pixel_format="yuv444p16le", beside=False
    )
    out = tmp_path / "out.mkv"
    assert_whole(here("run", source, out, "--codec", "libx265", "-q"), out)
    with av.open(str(out)) as container:
        assert container.streams.video[0].pix_fmt == "yuv444p12le"


def test_images_in_and_out(here, tmp_path):
    rng = np.random.default_rng(1)
    originals = [rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(30)]
    (tmp_path / "in").mkdir()
    for number, picture in enumerate(originals, 7):
        cv2.imwrite(str(tmp_path / "in" / f"{number:05}.png"), picture)
    images = str(tmp_path / "in" / "%05d.png")
    run = here("run", images, tmp_path / "out" / "%04d.png", "-q")
    assert run.returncode == 0, run.stderr
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"{number:04}.png" for number in range(7, 37)]
    for number, picture in enumerate(originals, 7):
        assert (cv2.imread(str(tmp_path / "out" / f"{number:04}.png")) == picture).all()
    video = tmp_path / "out.mkv"
    assert_whole(here("run", images, video, "--fps", "30000/1001", *LOSSLESS, "-q"), video)
    with av.open(str(video)) as container:
        got = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert all((a == b).all() for a, b in zip(got, originals, strict=True))
    assert times_of(video)[-1] == pytest.approx(29 * 1001 / 30000, abs=0.001)
    (tmp_path / "in" / "00012.png").unlink()
    refused = here("run", images, tmp_path / "again.mkv", "-q")
    assert refused.returncode == 3
    assert "00012.png is missing" in refused.stderr


def test_several_files_go_to_a_folder_and_one_bad_one_does_not_stop_the_others(here, tmp_path):
    good = [movie(tmp_path / f"{name}.mkv", 5) for name in ("one", "two")]
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video at all")
    run = here("run", good[0], bad, good[1], f"{tmp_path / 'out'}/", *LOSSLESS, "-q")
    assert run.returncode == 3
    assert "bad.mp4" in run.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["one.mkv", "two.mkv"]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_source_that_is_cut_off_is_refused(here, tmp_path, suffix):
    whole = encode(scene(96, 64, 120), tmp_path / f"whole{suffix}", audio=True)
    if suffix == ".mp4":
        moved = tmp_path / "moved.mp4"
        with (
            av.open(str(whole)) as one,
            av.open(str(moved), "w", options={"movflags": "faststart"}) as two,
        ):
            streams = {s.index: two.add_stream_from_template(s) for s in one.streams}
            for packet in one.demux():
                if packet.size:
                    packet.stream = streams[packet.stream.index]
                    two.mux(packet)
        whole = moved
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    out = tmp_path / "out.mkv"
    refused = here("run", cut, out, *QUICK)
    assert refused.returncode == 3, refused.stderr
    assert "cut off" in refused.stderr
    assert not out.exists()


def overwritten(source: Path, target: Path, part: float, length: int) -> Path:
    """A file with noise in the place of some bytes."""
    data = bytearray(source.read_bytes())
    at = int(len(data) * part)
    data[at : at + length] = np.random.default_rng(0).bytes(length)
    target.write_bytes(data)
    return target


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("libx264", ".mp4"), ("libx264", ".mkv"), ("libx264", ".ts"), ("ffv1", ".mkv")],
)
def test_a_source_that_is_damaged_in_the_middle_is_told(here, tmp_path, codec, suffix):
    options = {"libx264": {"crf": "18", "g": "24"}, "ffv1": {"level": "3", "slicecrc": "1"}}
    whole = encode(scene(96, 64, 96), tmp_path / f"whole{suffix}", (codec, options[codec]))
    bad = overwritten(whole, tmp_path / f"bad{suffix}", 0.5, 3000)
    out = tmp_path / "out.mkv"
    refused = here("run", bad, out, *QUICK)
    assert refused.returncode == 3, refused.stderr
    assert "damaged" in refused.stderr
    assert "--accept-damaged" in refused.stderr
    # Where it is said to be damaged is near where it is.
    if place := re.search(r"decoded at 0:00:0(\d)", refused.stderr):
        assert 1 <= int(place[1]) <= 3
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []


def test_damage_that_is_accepted_is_told_still(here, tmp_path):
    # Of other codecs BestSource may refuse a frame that nobody can decode.
    codec = ("ffv1", {"level": "3", "slicecrc": "1"})
    whole = encode(scene(96, 64, 48), tmp_path / "whole.mkv", codec)
    bad = overwritten(whole, tmp_path / "bad.mkv", 0.6, 20)
    out = tmp_path / "out.mkv"
    taken = here("run", bad, out, *QUICK, "--accept-damaged")
    assert_whole(taken, out)
    assert "damaged" in taken.stderr
    # A part before the damage is whole.
    before = tmp_path / "before.mkv"
    assert_whole(here("run", bad, before, *QUICK, "--preview", "12f@0f"), before)


def test_a_recording_that_begins_between_key_frames_is_not_damaged(here, tmp_path):
    codec = ("libx264", {"g": "40", "x264-params": "open-gop=1:bframes=3"})
    whole = encode(scene(96, 64, 96), tmp_path / "whole.ts", codec)
    data = whole.read_bytes()
    cut = tmp_path / "cut.ts"
    cut.write_bytes(data[len(data) // 188 // 3 * 188 :])
    out = tmp_path / "out.mkv"
    assert_whole(here("run", cut, out, *QUICK), out)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_the_index_is_in_front_so_that_players_can_begin(here, film, tmp_path, suffix):
    out = tmp_path / f"out{suffix}"
    assert_whole(here("run", film, out, *QUICK), out)
    data = out.read_bytes()
    boxes, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4])
        boxes.append(data[at + 4 : at + 8])
        at += size if size != 1 else int.from_bytes(data[at + 8 : at + 16])
    assert at == len(data)
    assert boxes.index(b"moov") < boxes.index(b"mdat")
    assert len(decode(out)) == 540


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits there")
@pytest.mark.parametrize(
    ("suffix", "encoder", "room"),
    [
        (".mkv", LOSSLESS, 200_000),
        # The segments have room, but not the result that they are joined to.
        (".mp4", ("--preset", "ultrafast", "--crf", "30", "--no-audio"), 60_000),
    ],
)
def test_a_full_disk_ends_with_a_sentence_and_no_file(vsvqe, film, tmp_path, suffix, encoder, room):
    import resource

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    out = tmp_path / f"out{suffix}"
    full = vsvqe("run", film, out, *encoder, "-q", limit=little_room)
    assert full.returncode == 6, full.stderr
    assert "can't be written" in full.stderr
    assert "Traceback" not in full.stderr
    assert not out.exists()
    # What did not fit: a segment is .mkv, whatever it is for.
    assert (out.with_name(f"{out.name}.vsvqe") / f"unfinished{suffix}").exists()
    assert_whole(vsvqe("run", film, out, *encoder, "-q"), out)
    assert len(decode(out)) == 540


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("missing.mp4", "out.mkv"), 3, "there is no file missing.mp4"),
        (("{film}", "out.avi"), 6, ".mkv, .mp4"),
        (("{film}", "out.mkv", "--codec", "nonsense"), 2, "no encoder 'nonsense'"),
        (("{film}", "out.mkv", "-o", "nonsense=1"), 2, "no option 'nonsense'"),
        (("{film}", "out.mkv", "--preset", "nonsense", "-q"), 5, "libx264"),
        (("{film}", "out.mkv", "--deblock", "nonsense"), 2, "nor the path of an .onnx file"),
        (("{film}", "out.mkv", "--strength", "0.5"), 2, "without --deblock"),
        (("{film}", "out.mkv", "--deblock", "fast", "--strength", "7"), 4, "from 0 to 1"),
        (("{film}", "out.mkv", "--filter", "Deblok()"), 2, "there is no filter Deblok"),
        (("{film}", "out.mkv", "--filter", "std.Trim(length=3)"), 4, "3 frames of 540"),
        (("{film}", "out.mkv", "--preview", "soon"), 2, "10s@1:23"),
        (("{film}", "out.mkv", "--preview", "1s@9:00"), 3, "begins after the clip"),
        (("{film}", "{film}", "out.mkv"), 2, "name a folder"),
        (("{film}", "out.webm", "--codec", "libvpx-vp9", "-q"), 3, "--no-audio"),
    ],
)
def test_mistakes_are_told_in_a_sentence(here, film, tmp_path, monkeypatch, arguments, code, told):
    monkeypatch.chdir(tmp_path)
    run = here("run", *(word.format(film=film) for word in arguments))
    assert run.returncode == code, run.stderr
    assert told in " ".join(run.stderr.replace("│", " ").split())
    assert "Traceback" not in run.stderr
    assert run.stdout == ""
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_help_has_no_colours_when_piped(vsvqe):
    run = vsvqe("run", "--help")
    assert run.returncode == 0
    assert "--superres" in run.stdout
    assert "\x1b" not in run.stdout


@pytest.mark.parametrize("command", ["", "run", "script", "compare", "metrics", "models", "bench"])
def test_help_shows_examples_line_by_line(here, command):
    lines = [line.strip() for line in here(*filter(None, [command]), "--help").stdout.splitlines()]
    examples = [line for line in lines if line.startswith(f"vsvqe {command}".strip())]
    assert len(examples) > 1 or command == "script"
    assert not any("\\b" in line or line.count("vsvqe ") > 1 for line in examples)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("vsvqe d", {"doctor"}),
        ("vsvqe run --su", {"--superres", "--superres-model", "--superres-qp"}),
        ("vsvqe run in.mp4 out.mkv --backend o", {"openvino"}),
        ("vsvqe models v", {"verify"}),
    ],
)
def test_the_shell_completes(environment, words, wanted):
    run = subprocess.run(
        [sys.executable, "-m", "vsvqe"],
        capture_output=True,
        text=True,
        check=True,
        env={
            **environment,
            "_VSVQE_COMPLETE": "bash_complete",
            "COMP_WORDS": "\n".join(words.split()),
            "COMP_CWORD": str(len(words.split()) - 1),
        },
    )
    assert {line.rpartition(",")[2] for line in run.stdout.split()} == wanted
