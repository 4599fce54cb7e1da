"""What NVIDIA's own tool says of its GPUs."""

import subprocess

from .errors import InferenceError

_SECONDS = 30


def query(*fields: str, index: int | None = None) -> list[list[str]]:
    """Asks ``nvidia-smi`` for properties of the GPUs.

    Args:
        fields: As ``nvidia-smi --help-query-gpu`` names them.
        index: Of one GPU; ``None`` asks for all.

    Returns:
        One row for each GPU, with a value for each field.

    Raises:
        InferenceError: It is not there, fails, or does not answer; the text says which.

    Example:
        >>> from vsvqe.inference import nvidia
        >>> nvidia.query("name", "memory.total")  # doctest: +SKIP
        [['NVIDIA H200', '143771 MiB']]
    """
    command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]
    if index is not None:
        command.append(f"--id={index}")
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InferenceError(f"nvidia-smi does not answer: {error}") from error
    if answer.returncode:
        # It writes its complaints to standard output.
        said = " ".join((answer.stdout + answer.stderr).split())
        raise InferenceError(f"nvidia-smi fails: {said or f'exit code {answer.returncode}'}")
    return [[word.strip() for word in row.split(",")] for row in answer.stdout.splitlines() if row]
