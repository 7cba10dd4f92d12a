"""What a Qwen-VL tower derives from the sizes of its pictures, found on the host.

The tower would find it on the device, and ask for the lengths of sequences in every layer: on a
GPU each of these questions waits for all that was launched before.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def precomputed(tower: Any, grid: Tensor, device: torch.device) -> dict[str, Tensor]:
    """Arguments for `get_video_features` beside `grid` [n, 3], which is on the host.

    Lengths of sequences stay on the host; what the tower computes with is on `device`.
    """
    from transformers import vision_utils

    merge, there = tower.spatial_merge_size, {}
    there["position_ids"] = vision_utils.get_vision_position_ids(grid, merge)
    here = {"cu_seqlens": vision_utils.get_vision_cu_seqlens(grid)}
    if hasattr(tower, "window_size"):
        there["window_index"], here["cu_window_seqlens"] = vision_utils.get_vision_window_index(
            grid,
            spatial_merge_size=merge,
            window_size=tower.window_size,
            patch_size=tower.patch_size,
        )
    if hasattr(tower, "num_grid_per_side"):
        there["interp_indices"], there["interp_weights"] = (
            vision_utils.get_vision_interpolation_indices_and_weights(
                grid,
                num_grid_per_side=tower.num_grid_per_side,
                mode=tower.interpolation_mode,
                align_corners=tower.interpolation_align_corners,
                spatial_merge_size=merge,
            )
        )
    moved = {name: found.to(device, non_blocking=True) for name, found in there.items()}
    return {f"video_{name}": found for name, found in (here | moved).items()}
