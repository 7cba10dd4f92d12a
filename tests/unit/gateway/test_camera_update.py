"""What a request to update a camera may change; everything else is refused by name."""

from __future__ import annotations

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import given
from hypothesis import strategies as st

from hermes.errors import InvalidInput
from hermes.v1.camera_pb2 import Camera, CameraServiceUpdateRequest
from services.query_gateway.camera_update import CameraUpdate
from tests.support.labels import FEW_KEYS, FEW_LABELS


def request(*paths: str, **fields: object) -> CameraServiceUpdateRequest:
    camera = fields.pop("camera", Camera(id="lobby"))
    assert isinstance(camera, Camera)
    return CameraServiceUpdateRequest(
        camera=camera,
        update_mask=FieldMask(paths=paths),
        **fields,  # type: ignore[arg-type]
    )


def registered(**labels: str) -> Camera:
    camera = Camera(id="lobby", url="rtsp://u:p@h/1", labels=labels, display_name="Lobby")
    camera.created.FromSeconds(7)
    camera.sampling.frames_per_second = 2
    return camera


def test_only_what_is_named_changes() -> None:
    said = Camera(id="lobby", url="rtsp://other/1", labels={"site": "yard"}, display_name="Hall")
    changed = CameraUpdate.read(request("display_name", camera=said)).applied_to(
        registered(site="dock")
    )
    expected = registered(site="dock")
    expected.display_name = "Hall"
    assert changed == expected
    both = CameraUpdate.read(request("labels", "display_name", camera=said))
    expected.labels["site"] = "yard"
    assert both.applied_to(registered(site="dock", floor="2")) == expected


def test_single_labels_change_and_the_others_stay() -> None:
    update = CameraUpdate.read(request(put_labels={"site": "yard"}, remove_labels=["floor", "x"]))
    before = registered(site="dock", floor="2", roof="")
    assert update.applied_to(before) == registered(site="yard", roof="")
    assert before == registered(site="dock", floor="2", roof="")


def test_an_empty_value_clears() -> None:
    changed = CameraUpdate.read(request("labels", "display_name")).applied_to(registered(site="x"))
    assert (dict(changed.labels), changed.display_name) == ({}, "")


def test_what_a_later_version_wrote_is_kept() -> None:
    later = registered().SerializeToString() + b"\xfa\x7f\x05later"  # field 2047
    changed = CameraUpdate.read(request(put_labels={"a": "b"})).applied_to(Camera.FromString(later))
    assert b"\xfa\x7f\x05later" in changed.SerializeToString()


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        (request(), "update_mask", "names nothing to change"),
        (request("url"), "update_mask", "'url' cannot be changed; remove the camera and add"),
        (request("labels", "pacing"), "update_mask", "'pacing' cannot be changed"),
        (request("sampling.frames_per_second"), "update_mask", "cannot be changed"),
        (request("id"), "update_mask", "'id' cannot be changed"),
        (request("created"), "update_mask", "'created' cannot be changed"),
        (request("labels.site"), "update_mask", "put_labels and remove_labels change one label"),
        (request("colour"), "update_mask", "a camera has no field 'colour'; labels and"),
        (request("*"), "update_mask", "a camera has no field '*'"),
        (request("labels", put_labels={"a": "b"}), "put_labels", "cannot go with labels"),
        (request("labels", remove_labels=["a"]), "remove_labels", "cannot go with labels"),
        (request(put_labels={"a b": "c"}), "put_labels", "the key has ' '"),
        (request(remove_labels=["a b"]), "remove_labels", "the key has ' '"),
        (request(remove_labels=["a"] + [f"b{n}" for n in range(32)]), "remove_labels", "33 labels"),
        (request(put_labels={"a": "b"}, remove_labels=["a"]), "remove_labels", "in put_labels"),
        (request("labels", camera=Camera(id="a b")), "camera.id", "letters"),
        (
            request("labels", camera=Camera(id="a", labels={"a": "b c"})),
            "camera.labels",
            "the value has ' '",
        ),
        (
            request("display_name", camera=Camera(id="a", display_name="\x1b")),
            "camera.display_name",
            "control character",
        ),
    ],
)
def test_what_cannot_be_changed_is_named(
    asked: CameraServiceUpdateRequest, field: str, said: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        CameraUpdate.read(asked)
    assert (refused.value.field, said in refused.value.message) == (field, True)


def test_a_camera_gets_no_more_labels_than_it_may_have() -> None:
    full = registered(**{f"k{number}": "x" for number in range(32)})
    one_more = CameraUpdate.read(request(put_labels={"more": "x"}))
    with pytest.raises(InvalidInput, match="there are 33 labels"):
        one_more.applied_to(full)
    in_place_of = CameraUpdate.read(request(put_labels={"more": "x"}, remove_labels=["k0"]))
    assert len(in_place_of.applied_to(full).labels) == 32


@given(FEW_LABELS, FEW_LABELS, st.sets(FEW_KEYS))
def test_an_update_can_be_made_twice(
    before: dict[str, str], put: dict[str, str], removed: set[str]
) -> None:
    removed -= put.keys()
    if not put and not removed:
        return
    update = CameraUpdate.read(request(put_labels=put, remove_labels=sorted(removed)))
    once = update.applied_to(registered(**before))
    assert update.applied_to(once) == once
    assert dict(once.labels) == {k: v for k, v in before.items() if k not in removed} | put
