"""The filters of ``vsvqe run`` as options: one entry for each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import rich_click as click

import vsvqe

from ..cards import list_models, newest
from ..checkpoints import SUFFIXES
from ..evaluation import traditional
from ..filters import superres
from ..inference.backends import NAMES
from ..transcode import stated
from ..transcode.script import Call, calls


@dataclass(frozen=True)
class Setting:
    """An option that sets a parameter of a filter."""

    option: str
    parameter: str
    help: str
    type: Any = str
    told: Callable[[Path, Mapping[str, Any]], Any] | None = None
    """Given the source and the other arguments, returns what it is where the option is not given,
    and no filter before has taken compression away; ``None`` leaves it to the filter."""


@dataclass(frozen=True)
class Entry:
    """A filter of this package as an option."""

    option: str
    filter: Callable[..., Any]
    parameter: str
    """What the option's own value sets."""
    default: Any
    """That value where the option stands alone; ``None`` leaves it to the filter."""
    value: Callable[[str], Any]
    """Reads the option's value."""
    metavar: str
    help: str
    settings: Sequence[Setting] = ()
    repairs: bool = True
    """Whether it takes away what compression left, so that the source tells nothing of that to what
    follows."""


def _model(task: str) -> Callable[[str], str]:
    """Returns what completes ``fast`` to the name of a shipped model."""

    def read(text: str) -> str:
        names = [card.name for card in list_models(task)]
        short = [card.name for card in newest(list_models(task)) if card.variant == text]
        if text in names or Path(text).suffix.lower() in (".onnx", *SUFFIXES):
            return text
        if short:
            # Which of several suits the scale, the filter knows.
            return short[0] if len(short) == 1 else text
        raise ValueError(
            f"{text!r} is neither a shipped model ({', '.join(names)}; or a part of the name, "
            "such as fast) nor the path of an .onnx file or a checkpoint"
        )

    return read


def _stated_to_deblock(source: Path, arguments: Mapping[str, Any]) -> float | None:
    """Returns the quantiser that the source states, if the model of Deblock asks for one."""
    shipped = arguments["model"] in [card.name for card in list_models("deblock")]
    return stated.quantiser(source) if shipped else None


def _stated_to_superres(source: Path, arguments: Mapping[str, Any]) -> float | None:
    """The same for SuperRes."""
    own = {key: arguments[key] for key in ("model", "scale", "detail") if key in arguments}
    return stated.quantiser(source) if superres.goes_by_quantiser(**own) else None


def _strength(text: str) -> float | str:
    return text if text == "auto" else float(text)


ENTRIES = (
    Entry(
        "deblock",
        vsvqe.Deblock,
        "model",
        "balanced",
        _model("deblock"),
        "[MODEL]",
        "Remove what compression left. MODEL is balanced (what the bare option takes), fast, best, "
        "or the path of an .onnx file or a checkpoint.",
        (
            Setting("strength", "strength", "Of --deblock: 0 to 1, or auto. [1]", _strength),
            Setting(
                "qp",
                "qp",
                "Of --deblock: the quantiser or CRF of the input. [what x264 and x265 wrote into "
                "it, else estimated]",
                float,
                _stated_to_deblock,
            ),
        ),
    ),
    Entry(
        "stabilize",
        vsvqe.Stabilize,
        "smoothing",
        None,
        int,
        "[FRAMES]",
        "Steady what was filmed by hand. Movements that last longer than FRAMES stay. [30]",
        (Setting("border", "border", "Of --stabilize: fill, mirror, crop, zoom, ... [fill]"),),
        repairs=False,
    ),
    Entry(
        "superres",
        vsvqe.SuperRes,
        "scale",
        None,
        int,
        "[2|4]",
        "Enlarge. [2]",
        (
            Setting(
                "superres-model",
                "model",
                "Of --superres: balanced, fast, best, real, or the path of an .onnx file or a "
                "checkpoint.",
                _model("superres"),
            ),
            Setting("detail", "detail", "Of --superres: 0 (faithful) to 1 (texture). [0]", float),
            Setting(
                "superres-qp",
                "qp",
                "Of --superres: as --qp, for models that go by it. [as --qp; estimated after a "
                "filter that takes compression away]",
                float,
                _stated_to_superres,
            ),
        ),
    ),
    Entry(
        "astf",
        vsvqe.ASTF,
        "sharpen",
        None,
        float,
        "[AMOUNT]",
        "Bring back texture where there is some, and calm elsewhere, in place of --deblock; and "
        "sharpen the result by AMOUNT, 0 to 4. [0]",
        (
            Setting(
                "astf-model",
                "model",
                "Of --astf: its second stage. [fast]",
                click.Choice(("fast", "best")),
            ),
        ),
    ),
)
"""Another filter of the package comes to the command line by an entry here."""

_SHARED = (
    Setting(
        "backend",
        "backend",
        f"What computes models: {', '.join(NAMES)}. [auto]",
        click.Choice(NAMES),
    ),
    Setting("device-index", "device_index", "Which GPU. [0]", int),
    Setting(
        "ensemble",
        "ensemble",
        "Views of each picture, turned and mirrored, that models run on: 1, 2, 4 or 8; as many "
        "times slower, and nearer to the original. [1]",
        int,
    ),
    Setting("engine-folder", "engine_folder", "Where built engines are kept for the next time."),
)

_ORDER = "vsvqe.order"


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options of all filters; ``chosen`` reads them."""
    made = []
    for entry in ENTRIES:
        made.append(
            click.option(
                f"--{entry.option}",
                f"filter_{entry.option}",
                is_flag=False,
                flag_value=_BARE,
                metavar=entry.metavar,
                panel=_PANEL,
                help=entry.help,
                callback=_note_order,
            )
        )
        made += [_setting_option(setting) for setting in entry.settings]
    made.append(
        click.option(
            "--traditional",
            "filter_traditional",
            metavar="METHOD[:AMOUNT]",
            panel=_PANEL,
            help=f"For comparison: {', '.join(traditional.METHODS)}; AMOUNT is the strength, "
            "sigma, radius or scale.",
            callback=_note_order,
        )
    )
    made.append(
        click.option(
            "--filter",
            "filter_chain",
            metavar="CHAIN",
            panel=_PANEL,
            help="Filters with all their arguments, of this package and of the core: "
            '"Deblock(strength=0.5, tile=(640, 360)) + std.Median(planes=0)".',
            callback=_note_order,
        )
    )
    made += [_setting_option(setting) for setting in _SHARED]
    for option in reversed(made):
        command = option(command)
    return command


_BARE = ""
_PANEL = "Filters"


def _setting_option(setting: Setting) -> Callable[..., Any]:
    choice = setting.type if isinstance(setting.type, click.Choice) else None
    return click.option(
        f"--{setting.option}",
        setting.option.replace("-", "_"),
        type=choice,
        metavar=None if choice else setting.parameter.upper(),
        panel=_PANEL,
        help=setting.help,
    )


def _note_order(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> str | None:
    """Remembers the filters in the order in which they were written."""
    if value is not None:
        context.meta.setdefault(_ORDER, []).append(parameter.name)
    return value


def chosen(context: click.Context, values: Mapping[str, Any], source: str) -> list[Call]:
    """Returns the filters in the order in which the command names them.

    Args:
        context: Of the command.
        values: Its options.
        source: What is filtered.

    Raises:
        click.UsageError: A value can't be read, or a setting is given without its filter.
    """
    order = context.meta.get(_ORDER, [])
    for entry in ENTRIES:
        for setting in entry.settings:
            given = values[setting.option.replace("-", "_")] is not None
            if given and f"filter_{entry.option}" not in order:
                raise click.UsageError(f"--{setting.option} is of no use without --{entry.option}")
    harmless = [f"filter_{entry.option}" for entry in ENTRIES if not entry.repairs]
    found: list[Call] = []
    seen: Path | None = Path(source)
    for name in order:
        found += _calls(name, values, seen)
        if name not in harmless:
            seen = None
    return found


def _calls(name: str, values: Mapping[str, Any], source: Path | None) -> list[Call]:
    """Returns the filters that an option stands for.

    Args:
        name: Of the option.
        values: Of all options.
        source: What the first of them sees, if that is as compressed as it says.
    """
    text = values[name]
    if name == "filter_chain":
        shared = ((setting, values[setting.option.replace("-", "_")]) for setting in _SHARED)
        defaults = {s.parameter: _read(s, given) for s, given in shared if given is not None}
        with _usage("filter"):
            return calls(text, defaults)
    if name == "filter_traditional":
        method, amount = traditional_method(text)
        return [Call(f"traditional.{method}", amount)]
    (entry,) = (entry for entry in ENTRIES if f"filter_{entry.option}" == name)
    named: dict[str, Any] = {}
    value = entry.default if text == _BARE else text
    if value is not None:
        with _usage(entry.option):
            named[entry.parameter] = entry.value(value)
    taken = signature(entry.filter).parameters
    for setting in (*entry.settings, *_SHARED):
        given = values[setting.option.replace("-", "_")]
        if given is not None and setting.parameter in taken:
            named[setting.parameter] = _read(setting, given)
        elif source and setting.told and (told := setting.told(source, named)) is not None:
            named[setting.parameter] = told
    return [Call(f"vqe.{entry.filter.__name__}", (), named)]


def _read(setting: Setting, given: str) -> Any:
    """Returns what a filter gets for the value of an option."""
    if isinstance(setting.type, click.Choice):
        return given
    with _usage(setting.option):
        return setting.type(given)


def traditional_method(text: str) -> tuple[str, tuple[float, ...]]:
    """Reads ``METHOD[:AMOUNT]``.

    Args:
        text: The option's value.

    Returns:
        The name of the method, and its amount if there is one.

    Raises:
        click.UsageError: There is no such method, or the amount is no number.
    """
    method, _, amount = text.partition(":")
    if method not in traditional.METHODS:
        raise click.UsageError(
            f"--traditional {method} is not known; it is one of {', '.join(traditional.METHODS)}"
        )
    if not amount:
        return method, ()
    with _usage("traditional"):
        number = float(amount)
        return method, (int(number) if number.is_integer() else number,)


class _usage:
    """Says of which option a value can't be read."""

    def __init__(self, option: str) -> None:
        self._option = option

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ValueError):
            raise click.UsageError(f"--{self._option}: {error}") from error
