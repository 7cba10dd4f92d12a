"""Signatures of webhooks, as Standard Webhooks describes them (symmetric, version 1)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable


def signed_headers(
    secrets: Iterable[bytes], message_id: str, timestamp_s: int, body: bytes
) -> dict[str, str]:
    """The headers that let a receiver check who sent a body, and when. Each secret signs."""
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp_s, body)
    signatures = (hmac.new(secret, signed, hashlib.sha256).digest() for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(
            f"v1,{base64.b64encode(signature).decode()}" for signature in signatures
        ),
    }
