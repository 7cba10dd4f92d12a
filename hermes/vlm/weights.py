"""Reading a model's weights: all of them are there, and none is left over."""

from __future__ import annotations

import importlib.util
import logging
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hermes.errors import HermesError, InvalidInput, Unsupported
from hermes.vlm.load_progress import Progress, loading_bar
from hermes.vlm.model_folder import ModelFolder, read_json

log = logging.getLogger(__name__)

_BITSANDBYTES = "bitsandbytes"  # the oldest method, whose settings need not name it
_NAMED = 4  # keys that a message names before it counts the rest


def read_config(folder: ModelFolder) -> Any:
    """The transformers configuration. Code that comes with a model is never run."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder.path, trust_remote_code=False)
    except Exception as error:  # each family has its own exceptions for what does not fit
        raise InvalidInput("model", f"{folder.path}/config.json is not valid: {error}") from error


def read_tokenizer(folder: ModelFolder) -> Any:
    """The transformers tokenizer. Code that comes with a model is never run."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder.path, trust_remote_code=False)
    except Exception as error:  # what is raised depends on the tokenizer's class and file
        raise InvalidInput(
            "model", f"the tokenizer in {folder.path} cannot be read: {error}"
        ) from error


def read_model(
    folder: ModelFolder,
    config: Any,
    device: torch.device,
    dtype: torch.dtype,
    progress: Progress | None = None,
) -> Any:
    """The transformers model on its device, with its adapter, ready to infer.

    Raises `InvalidInput` if weights are missing, left over, damaged or of another
    shape, and `Unsupported` if a package is missing that they need.
    """
    folder.check_weights()
    check_adapter(folder)
    method = quantization(config)
    with loading_bar(progress, folder.stored_bytes(), folder.shards()):
        if folder.adapter == folder.path:
            with tempfile.TemporaryDirectory(prefix="hermes-base-") as made:
                plain = _without_adapter(folder.path, Path(made))
                model = _read(plain, config, device, dtype, method)
        else:
            model = _read(folder.path, config, device, dtype, method)
    if folder.adapter is not None:
        _add_adapter(model, folder.adapter, merge=method is None)
    model.eval()
    model.requires_grad_(False)
    return model


def check_adapter(folder: ModelFolder) -> None:
    """Raises `Unsupported` if the model has an adapter, and the package for it is missing."""
    if folder.adapter is not None and not _installed("peft"):
        raise Unsupported(
            f"{folder.adapter} has an adapter ({_adapter_type(folder.adapter)}): install peft to"
            " load it, or merge it into its base model"
        )


def check_quantiser(folder: ModelFolder, config: Any) -> None:
    """Raises `Unsupported` if the weights are quantised, and cannot be read on this machine."""
    from transformers.quantizers.auto import AutoHfQuantizer

    method = quantization(config)
    if method is None:
        return
    found = getattr(config, "quantization_config", None)
    try:
        reader: Any = AutoHfQuantizer.from_config(
            config.get_text_config().quantization_config if found is None else found,
            pre_quantized=True,
        )
        reader.validate_environment(device_map=None, weights_only=True)
    except Exception as error:  # each quantiser has its own exceptions
        raise _not_here(folder.path, method, error) from error


def _not_here(path: Path, method: str, error: Exception) -> Unsupported:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    return Unsupported(
        f"{path.name} is quantised ({method}), and cannot be loaded here:"
        f" {f'install {missing}' if missing else error}"
    )


def quantization(config: Any) -> str | None:
    """The method that the weights were quantised by; None if they were not.

    Raises `Unsupported` for a method that transformers does not know: it would
    read the weights as if they were plain.
    """
    from transformers.quantizers.auto import AutoHfQuantizer

    for part in (config, config.get_text_config()):
        found = getattr(part, "quantization_config", None)
        if found is not None:
            settings = dict(found)
            old = settings.get("load_in_8bit") or settings.get("load_in_4bit")
            method = str(settings.get("quant_method") or (_BITSANDBYTES if old else "no named one"))
            if not (old or AutoHfQuantizer.supports_quant_method({"quant_method": method})):
                raise Unsupported(f"weights that are quantised by {method!r} are not supported")
            return method
    return None


def _read(
    path: Path, config: Any, device: torch.device, dtype: torch.dtype, method: str | None
) -> Any:
    from transformers import AutoModelForImageTextToText

    model: Any
    found: dict[str, Any]
    reader: Any = AutoModelForImageTextToText
    placed: dict[str, Any] = {}
    if _installed("accelerate") and (method or device.type != "cpu"):
        placed["device_map"] = {"": device}  # straight there, without a copy on the host
    try:
        model, found = reader.from_pretrained(
            path,
            config=config,
            dtype=dtype,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are refused below, by name
            **placed,
        )
    except (HermesError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # transformers and each quantiser have their own exceptions
        if method is not None:
            raise _not_here(path, method, error) from error
        raise InvalidInput(
            "model", f"the weights in {path} cannot be read ({type(error).__name__}: {error})"
        ) from error
    _check_keys(path, found)
    return model if placed else model.to(device)


def _check_keys(path: Path, found: dict[str, Any]) -> None:
    """Raises `InvalidInput` unless each weight of the model was read, and each that was there."""
    wrong: list[str] = []
    for keys, what in (
        (found["missing_keys"], "lack"),
        ([key for key, *_ in found["mismatched_keys"]], "have in another shape"),
        (found["unexpected_keys"], "have beyond what the model knows"),
        (found["error_msgs"], "failed on"),
    ):
        if keys:
            wrong.append(f"{what} {_some(keys)}")
    if wrong:
        raise InvalidInput("model", f"the weights in {path} {'; and '.join(wrong)}")


def _some(keys: Iterable[object]) -> str:
    names = sorted(map(str, keys))
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _without_adapter(folder: Path, made: Path) -> Path:
    """A view of `folder` without its adapter, which transformers would add unasked."""
    for file in folder.iterdir():
        if not file.name.startswith("adapter_"):
            (made / file.name).symlink_to(file.resolve())
    return made


def _add_adapter(model: Any, adapter: Path, *, merge: bool) -> None:
    """Load an adapter through transformers and peft. `merge`: add it to the weights."""
    kind = _adapter_type(adapter)
    try:
        found = model.load_adapter(str(adapter))
    except Exception as error:  # peft has its own exceptions for each kind of adapter
        raise InvalidInput(
            "model", f"the adapter in {adapter} ({kind}) does not fit: {error}"
        ) from error
    wrong = [*getattr(found, "missing_keys", ()), *getattr(found, "unexpected_keys", ())]
    if wrong:
        raise InvalidInput(
            "model",
            f"the adapter in {adapter} ({kind}) does not fit its base model: {_some(wrong)}",
        )
    if merge:
        _merge(model)
    log.info("adapter %s (%s) loaded", adapter.name, kind)


def _merge(model: nn.Module) -> None:
    from peft.tuners.tuners_utils import BaseTunerLayer

    for module in model.modules():
        if isinstance(module, BaseTunerLayer):
            module.merge()


def _adapter_type(adapter: Path) -> str:
    return str(read_json(adapter / "adapter_config.json").get("peft_type", "of no named type"))


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
