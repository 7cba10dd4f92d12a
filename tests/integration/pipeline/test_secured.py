"""All services as processes with everything switched on: TLS everywhere, users in Redis, a key."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from hermes.client import HermesClient, Tls
from services.cli.processes import Pipeline, wait_ready
from services.cli.redis_server import LocalRedis
from tests.support import tiny
from tests.support.certificates import CLIENT, SERVER, Authority
from tests.support.pipeline import Running, online
from tests.support.secured_redis import secured_redis
from tests.support.video import write
from tests.support.waiting import eventually


@pytest.mark.timeout(300)
def test_frames_come_in_and_questions_are_answered(tmp_path: Path) -> None:
    cluster = Authority("cluster")
    of_redis = cluster.issue(tmp_path / "of-redis", "redis", purposes=(SERVER, CLIENT))
    of_worker = cluster.issue(tmp_path / "of-worker", "hermes-worker", purposes=(SERVER,))
    of_gateway = cluster.issue(tmp_path / "of-gateway", "gateway")
    keys, media = tmp_path / "keys", tmp_path / "media"
    keys.write_bytes(Fernet.generate_key())
    media.mkdir()
    write(media / "file.mp4", 60, rate=10)
    with secured_redis(tmp_path / "redis", of_redis) as server, Pipeline(tmp_path) as pipeline:
        pipeline.redis = LocalRedis(server.url, "the test's")
        worker = pipeline.start(
            "worker",
            "services.hermes_worker.main",
            model=tiny.folder(),
            device="cpu",
            threads=1,
            budget_tokens=320,
            listen="127.0.0.1:0",
            checkpoint_url=tmp_path / "kept",
            checkpoint_every_s=0.5,
            tls_cert_file=of_worker.cert,
            tls_key_file=of_worker.key,
            tls_client_ca_file=of_worker.ca,
            **server.settings("worker"),
        )
        pipeline.start(
            "decoder",
            "services.decoder.main",
            media_root=media,
            frame_size="112x112",
            frames_per_second=5.0,
            credentials_key_file=keys,
            **server.settings("decoder"),
        )
        gateway = pipeline.start(
            "gateway",
            "services.query_gateway.main",
            media_root=media,
            listen="127.0.0.1:0",
            credentials_key_file=keys,
            tls_cert_file=of_gateway.cert,
            tls_key_file=of_gateway.key,
            worker_tls_ca_file=of_gateway.ca,
            worker_tls_cert_file=of_gateway.cert,
            worker_tls_key_file=of_gateway.key,
            worker_tls_name="hermes-worker",
            **server.settings("gateway"),
        )
        address = str(wait_ready(gateway)["address"])
        wait_ready(worker)
        running = Running(pipeline, address)
        running.client = HermesClient(address, tls=Tls(of_gateway.ca))
        running.client.add_camera("file", "file.mp4", pacing="live", loop=True)
        running.until("file", online(frames=3), timeout_s=60)
        assert running.answer("file") >= 3
        kept = tmp_path / "kept"
        eventually(lambda: any(path.is_file() for path in kept.rglob("*")), 30, "a checkpoint")
        assert running.client.probe_camera("file.mp4").error == ""
        running.client.remove_camera("file")
        assert running.client.list_cameras() == []
        running.client.close()
        pipeline.stop()
        refused = [one for one in server.refusals() if one[2] != "client|setinfo"]
        assert refused == []
        logs = running.logs()
        assert logs.count("certificate_loaded") == 3  # the gateway's is shown on both sides
        assert "redis_unreachable" not in logs
