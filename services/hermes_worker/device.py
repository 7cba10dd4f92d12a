"""The model on its device, as the settings ask for it."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from hermes.cpus import usable_cpus
from hermes.engine import Engine
from hermes.errors import InvalidInput
from hermes.vlm import VideoModel, load
from hermes.vlm.load_progress import LoadStep, LoggedProgress
from services.common import logs
from services.hermes_worker.settings import WorkerSettings

log = logs.get(__name__)

_DTYPES = {
    "auto": None,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def load_model(
    settings: WorkerSettings, say: Callable[[str], None] = lambda text: None
) -> VideoModel:
    """Load the checkpoint. Raises `hermes.errors.InvalidInput` or `Unsupported`.

    `say` is called often, from any thread, with how far loading has come.
    """
    from transformers.utils.logging import disable_progress_bar

    # The library counts the machine's CPUs, of which a container may have a share.
    torch.set_num_threads(settings.threads or min(torch.get_num_threads(), usable_cpus()))
    device = _device(settings.device)
    disable_progress_bar()  # logs are for lines
    lines = LoggedProgress(lambda text: log.info("loading_model", progress=text))

    def progress(step: LoadStep) -> None:
        say(str(step))
        lines(step)

    began = time.monotonic()
    chosen = settings.model_options()
    try:
        model = load(
            settings.model,
            device=device,
            dtype=_DTYPES[settings.dtype],
            kv_cache_dtype=settings.kv_cache_dtype,
            progress=progress,
            **chosen,
        )
    except InvalidInput as error:
        if error.field not in chosen:
            raise
        as_set = f"model_{error.field}"
        field = as_set if as_set in WorkerSettings.model_fields else error.field
        raise InvalidInput(field, error.message) from error
    log.info(
        "model_loaded",
        model=model.name,
        device=str(device),
        dtype=str(model.shape.dtype),
        kv_cache_dtype=str(model.shape.stored_dtype),
        frame_size="{1}x{0}".format(*model.frame_size),
        frame_tokens=model.most_frame_tokens,
        seconds=round(time.monotonic() - began, 2),
        kv_bytes_per_token=model.shape.bytes_per_token,
    )
    return model


def _device(name: str) -> torch.device:
    available = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if available else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InvalidInput("device", f"{name!r} is not a device; use auto, cpu or cuda") from None
    if device.type == "cuda" and not available:
        raise InvalidInput("device", f"{name!r}: PyTorch sees no GPU here; use auto or cpu")
    return device


def warm_up(engine: Engine) -> None:
    """Do everything once, and see what fits. Raises `hermes.errors.InvalidInput`."""
    began = time.monotonic()
    engine.warm_up()
    log.info(
        "warmed_up",
        capacity=engine.capacity,
        max_cameras=engine.config.max_cameras,
        seconds=round(time.monotonic() - began, 2),
    )
