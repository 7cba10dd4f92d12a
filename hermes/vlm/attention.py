"""The one hook into transformers: an attention function that reads HERMES memories.

It is registered under its own name through the public `AttentionInterface`,
without a mask function, so that the model builds no mask and all masking is
done here. The pass is a keyword argument that the model's call hands down to
the attention layers: there are no globals.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from hermes.memory import Pass

NAME = "hermes"
ARGUMENT = "hermes_pass"


def hermes_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """[1, heads, n, head_dim] queries, unrotated like their keys -> [1, n, heads, head_dim]."""
    packed: Pass = kwargs[ARGUMENT]
    return packed.attend(module.layer_idx, query, key, value, scaling), None  # type: ignore[arg-type]


def register() -> None:
    """Register the function with transformers. Calling this twice is harmless."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, hermes_attention)
