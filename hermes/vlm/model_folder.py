"""A model's files: where they are, and what the small ones among them say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from hermes.errors import InvalidInput
from hermes.vlm.load_progress import Progress, download_bar

_SMALL, _WEIGHTS = ["*.json", "*.jinja", "*.txt", "*.model"], ["*.safetensors"]
DEMO = "demo"
"""The name of the small model that comes with the package."""
_SETTINGS = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
    "chat_template.json",
    "tokenizer_config.json",
)
_CONFIG, _ADAPTER, _INDEX = "config.json", "adapter_config.json", "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """The folder of a model as the Hugging Face hub has it.

    `path`: with configuration, weights and processor settings. `adapter`: a
    folder whose adapter (LoRA and its like) changes the weights; None if there is
    none. `fetched`: whether the weights were to be fetched as well.
    """

    path: Path
    adapter: Path | None = None
    fetched: bool = True

    @property
    def is_demo(self) -> bool:
        """Whether it is the model that comes with the package."""
        return self.adapter is None and self.path.resolve() == _demo_folder().resolve()

    @classmethod
    def find(
        cls,
        model: str,
        revision: str | None = None,
        *,
        weights: bool = True,
        progress: Progress | None = None,
    ) -> ModelFolder:
        """The folder `model`, or a download of `model` from the hub, or the demo model.

        `revision`: branch, tag or commit on the hub. `weights`: fetch them, too.
        `progress`: how far a download has come; by default the hub's own bars.
        The base model of a folder that has only an adapter is found as well.
        Raises `InvalidInput`.
        """
        files = [*_SMALL, *_WEIGHTS] if weights else _SMALL
        found = _folder_of(model, revision, files, progress)
        fetched = weights or model == DEMO or Path(model).expanduser().is_dir()
        if not (found / _ADAPTER).is_file():
            return cls(found, fetched=fetched)
        if (found / _CONFIG).is_file():
            return cls(found, found, fetched)
        settings = read_json(found / _ADAPTER)
        base = settings.get("base_model_name_or_path")
        if not base:
            raise InvalidInput(
                "model", f"{model!r} is an adapter that does not name its base model: merge the two"
            )
        is_folder = Path(str(base)).expanduser().is_dir()
        of_base = None if is_folder else settings.get("revision")
        base_folder = _folder_of(str(base), of_base, files, progress)
        return cls(base_folder, found, weights or is_folder)

    def model_type(self) -> str:
        """The family, from the configuration. Raises `InvalidInput` if it names none."""
        path = self.path / _CONFIG
        if not path.is_file():
            raise InvalidInput("model", f"{self.path} is no checkpoint: it has no {_CONFIG}")
        found = read_json(path).get("model_type")
        if not isinstance(found, str):
            raise InvalidInput("model", f"{path} names no model_type: it is no checkpoint's")
        return found

    def check_settings(self) -> None:
        """Raises `InvalidInput` if one of the small files is damaged.

        transformers would go on without some of them: an answer whose end is not
        known does not end.
        """
        for name in _SETTINGS:
            if (self.path / name).is_file():
                read_json(self.path / name)

    def check_weights(self) -> None:
        """Raises `InvalidInput` if a file of weights is missing or cut. Reads only their heads."""
        index = self.path / _INDEX
        if index.is_file():
            shards = read_json(index).get("weight_map")
            if not isinstance(shards, dict):
                raise InvalidInput("model", f"{index} has no weight_map: fetch it again")
            files = [self.path / name for name in sorted(set(map(str, shards.values())))]
        else:
            files = sorted(self.path.glob("*.safetensors"))
            if not files and not any(self.path.glob("*.bin")):
                raise InvalidInput("model", f"{self.path} has no weights: fetch it again")
        for file in files:
            _check_head(file)

    def shards(self) -> int:
        """How many files the weights are in."""
        return len(list(self.path.glob("*.safetensors")))

    def stored_bytes(self) -> int:
        """Bytes of the weights as they are stored, by the index or the files; 0 if unknown."""
        index = self.path / _INDEX
        if index.is_file():
            about = read_json(index).get("metadata")
            total = about.get("total_size") if isinstance(about, dict) else None
            if isinstance(total, int | float) and total > 0:
                return int(total)
        return sum(file.stat().st_size for file in self.path.glob("*.safetensors"))


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a model. Raises `InvalidInput` if there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput("model", f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise InvalidInput("model", f"{path} is no JSON object")
    return found


def _check_head(file: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt"):
            pass
    except FileNotFoundError:
        raise InvalidInput("model", f"{file} is missing: fetch it again") from None
    except (SafetensorError, OSError) as error:
        raise InvalidInput(
            "model", f"{file} is damaged or was cut short ({error}): fetch it again"
        ) from error


def _demo_folder() -> Path:
    """The demo model is data of the package; `hermes.demo`, which made it, is not needed."""
    return Path(str(resources.files("hermes"))) / "demo" / "weights"


def _folder_of(
    model: str, revision: str | None, files: list[str], progress: Progress | None
) -> Path:
    path = _demo_folder() if model == DEMO else Path(model).expanduser()
    if path.is_dir():
        if revision is not None:
            raise InvalidInput("revision", f"{revision!r}: {model!r} is a folder and has none")
        return path
    if path.is_absolute() or model.startswith((".", "~")) or model.count("/") != 1:
        raise InvalidInput("model", f"{model!r} is neither a folder nor owner/name on a hub")
    from huggingface_hub import constants, get_token, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    named = repr(model) if revision is None else f"{model!r} at {revision!r}"

    try:
        return Path(
            snapshot_download(
                model,
                revision=revision,
                allow_patterns=files,
                tqdm_class=download_bar(progress),
            )
        )
    except RevisionNotFoundError as error:
        raise InvalidInput("revision", f"{model!r} has no {revision!r} on the hub") from error
    except GatedRepoError as error:
        raise InvalidInput(
            "model",
            f"{named} is gated: accept its terms on the hub, and"
            f" {'use a token of who did' if get_token() else 'set HF_TOKEN'}",
        ) from error
    except RepositoryNotFoundError as error:
        raise InvalidInput(
            "model",
            f"{named} is not on the hub, or private: check the name, or"
            f" {'whether HF_TOKEN may read it' if get_token() else 'set HF_TOKEN'}",
        ) from error
    except LocalEntryNotFoundError as error:
        home = constants.HF_HUB_CACHE
        if constants.HF_HUB_OFFLINE:
            why = f"is not in {home}, and HF_HUB_OFFLINE is set: unset it, or set HF_HOME"
        else:
            why = f"is not in {home} (see HF_HOME), and the hub cannot be reached: give a folder"
        raise InvalidInput("model", f"{named} {why}") from error
    except (HfHubHTTPError, OSError) as error:
        raise InvalidInput(
            "model", f"{named} could not be fetched ({type(error).__name__}): give a folder"
        ) from error
