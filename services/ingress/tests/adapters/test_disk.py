"""The disk's room: asked of the system, and none where it cannot be asked."""

from pathlib import Path

from mailweir_ingress.adapters.disk import ElsewhereDisk, OwnDisk


def test_a_disk_with_more_than_is_left_free_has_room(tmp_path: Path) -> None:
    assert OwnDisk(tmp_path, 1).has_room
    assert OwnDisk(tmp_path, 0).has_room


def test_a_disk_with_less_has_none(tmp_path: Path) -> None:
    assert not OwnDisk(tmp_path, 2**62).has_room


def test_a_disk_that_is_gone_has_none(tmp_path: Path) -> None:
    assert not OwnDisk(tmp_path / "gone", 0).has_room


def test_a_disk_elsewhere_is_not_ours_to_judge() -> None:
    assert ElsewhereDisk().has_room
