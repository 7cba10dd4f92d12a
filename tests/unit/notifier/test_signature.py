"""Signatures, against the test vector of Standard Webhooks and its own library."""

from __future__ import annotations

import base64
import time

import pytest

from services.notifier.signature import signed_headers

SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_vector_of_the_specification() -> None:
    headers = signed_headers(
        [base64.b64decode(SECRET)],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_each_secret_signs_and_the_specifications_library_takes_either() -> None:
    webhooks = pytest.importorskip("standardwebhooks", reason="pip install standardwebhooks")
    secrets = [b"a" * 24, b"b" * 24]
    body = '{"sentence": "Zwölf Boxkämpfer"}'.encode()
    headers = signed_headers(secrets, "msg_1", int(time.time()), body)
    assert headers["webhook-signature"].count("v1,") == 2
    for secret in secrets:
        webhooks.Webhook(base64.b64encode(secret).decode()).verify(body, headers)
    with pytest.raises(webhooks.WebhookVerificationError):
        webhooks.Webhook(base64.b64encode(b"c" * 24).decode()).verify(body, headers)
