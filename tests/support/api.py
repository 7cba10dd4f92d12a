"""Every method of every service that clients may call, by its full name."""

from __future__ import annotations

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

from services.query_gateway.gateway import (
    CAMERA_SERVICE,
    EVENT_SERVICE,
    MEMORY_SERVICE,
    QUERY_SERVICE,
    WATCH_SERVICE,
)


def methods_of(*services: str) -> dict[str, MethodDescriptor]:
    found = (descriptor_pool.Default().FindServiceByName(name) for name in services)
    return {f"/{s.full_name}/{m.name}": m for s in found for m in s.methods}


METHODS = methods_of(CAMERA_SERVICE, MEMORY_SERVICE, QUERY_SERVICE, WATCH_SERVICE, EVENT_SERVICE)
