"""Encoders on disk: our safetensors with a config.json beside it, and the authors' published .pth files."""

import json
import os
import pickle
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from lib.models.config import EncoderConfig, from_published_name
from lib.models.encoder import Encoder
from lib.paths import ARTIFACTS


WEIGHTS, CONFIG = "weights.safetensors", "config.json"
PUBLISHED_PREFIXES = {  # the first that fits
    "representation_model.layers.": "representation.interactions.",  # of TensorNet
    "representation_model.": "representation.",
    "output_model_noise.": "head.",
    "vec_out.": "head.",
}
# kept by the authors beside the encoder: statistics of the training noise and an all-zero energy prior
PUBLISHED_EXTRAS = ("mean", "std", "pos_normalizer.", "prior_model.")


def load_encoder(path_or_name: str | Path, device: str = "cpu", neighbors: str = "all") -> Encoder:
    """Load an encoder in evaluation mode: a run's name under artifacts/checkpoints, a path to our checkpoint
    (directory or weights file), or one of the authors' .pth files, whose name gives the hyper-parameters.

    neighbors: "all", "nearest-n" or "index-n". Raises FileNotFoundError for a missing file and ValueError for a
    corrupt or foreign one; a missing or unexpected key is an error.
    """
    path = Path(path_or_name)
    if not path.exists() and not path.is_absolute():
        path = ARTIFACTS / "checkpoints" / path
    if not path.exists():
        raise FileNotFoundError(f"{path_or_name}: no such checkpoint, neither as a path nor under {path.parent}")
    if path.suffix == ".pth":
        config, state = from_published_name(path), _read_published(path)
    else:
        folder = path if path.is_dir() else path.parent
        config, state = _read_config(folder / CONFIG), _read_weights(folder / WEIGHTS)
    encoder = Encoder(config, neighbors)
    check_state(path, encoder.state_dict(), state)
    encoder.load_state_dict(state)
    return encoder.to(device).eval()


def save_encoder(encoder: Encoder, directory: str | Path, provenance: dict) -> Path:
    """Write weights.safetensors and config.json (architecture and provenance) and return the directory.

    Each file appears whole or not at all, and the same encoder and provenance give the same bytes. Raises TypeError
    for a provenance that JSON cannot hold.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"encoder": asdict(encoder.config), "provenance": provenance}, indent=2, sort_keys=True) + "\n"
    state = {name: value.detach().cpu().contiguous() for name, value in sorted(encoder.state_dict().items())}
    _replace(directory / WEIGHTS, save(state))
    _replace(directory / CONFIG, text.encode())
    return directory


def read_provenance(directory: str | Path) -> dict:
    """What save_encoder was told about the origin of the weights."""
    return json.loads((Path(directory) / CONFIG).read_text())["provenance"]


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(content)
    os.replace(partial, path)


def _read_config(path: Path) -> EncoderConfig:
    if not path.exists():
        raise FileNotFoundError(f"{path}: missing; a checkpoint holds {WEIGHTS} and {CONFIG}")
    try:
        return EncoderConfig(**json.loads(path.read_text())["encoder"])
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected a JSON file with the encoder's hyper-parameters, but {error!r}") from None


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    if not path.exists():
        raise FileNotFoundError(f"{path}: missing; a checkpoint holds {WEIGHTS} and {CONFIG}")
    try:
        return load(path.read_bytes())
    except SafetensorError as error:
        raise ValueError(f"{path}: not a whole safetensors file ({error})") from None


def _read_published(path: Path) -> dict[str, torch.Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path}: not a file of plain PyTorch weights ({reason})") from None
    content = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise ValueError(f"{path}: expected a dictionary of named tensors, found {type(content).__name__}")
    state = {}
    for name, value in content.items():
        if not name.startswith(PUBLISHED_EXTRAS):
            prefix = next((p for p in PUBLISHED_PREFIXES if name.startswith(p)), "")
            state[PUBLISHED_PREFIXES.get(prefix, "") + name.removeprefix(prefix)] = value
    return state


def check_state(path: Path | str, expected: dict, found: dict) -> None:
    """Raises ValueError unless two state dicts have the same names and shapes; path: where `found` comes from."""
    missing, unexpected = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    if missing or unexpected:
        raise ValueError(
            f"{path}: the weights do not fit the architecture, {len(missing)} missing {missing[:3]} "
            f"and {len(unexpected)} unexpected {unexpected[:3]}"
        )
    for name, value in found.items():
        if value.shape != expected[name].shape:
            raise ValueError(
                f"{path}: {name} has shape {tuple(value.shape)}, expected {tuple(expected[name].shape)} "
                "from the hyper-parameters"
            )
