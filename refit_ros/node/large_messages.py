"""Room for images in Fast DDS's shared memory.

Out of the box a sender's segment holds 512 KiB: half an image of 640 x 480. Every image then goes the slow way, and
with several cameras most get lost (of four cameras at 30 images/s, 6 to 22 a second arrived; with room, all did).
"""

from __future__ import annotations

from pathlib import Path

PICTURES_ON_THE_WAY = 4  # of each camera, at one time
LEAST_BYTES = 8 * 1024 * 1024
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")  # Fast DDS 2.x, 3.x
MOST_BYTES = 256 * 1024 * 1024

_PROFILE = """<?xml version="1.0" encoding="UTF-8"?>
<profiles xmlns="http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles">
  <transport_descriptors>
    <transport_descriptor>
      <transport_id>shared_memory</transport_id>
      <type>SHM</type>
      <segment_size>{segment_bytes}</segment_size>
    </transport_descriptor>
    <transport_descriptor>
      <transport_id>udp</transport_id>
      <type>UDPv4</type>
    </transport_descriptor>
  </transport_descriptors>
  <participant profile_name="room_for_images" is_default_profile="true">
    <rtps>
      <useBuiltinTransports>false</useBuiltinTransports>
      <userTransports>
        <transport_id>shared_memory</transport_id>
        <transport_id>udp</transport_id>
      </userTransports>
    </rtps>
  </participant>
</profiles>
"""


def segment_bytes(cameras: int, width_px: int, height_px: int) -> int:
    """What a sender of so many uncompressed RGB images needs."""
    return min(max(PICTURES_ON_THE_WAY * cameras * 3 * width_px * height_px, LEAST_BYTES), MOST_BYTES)


def write_profile(path: Path, size_bytes: int) -> dict[str, str]:
    """Write the profile there; the environment variables that make Fast DDS (2.x and 3.x) use it."""
    path.write_text(_PROFILE.format(segment_bytes=size_bytes))
    return dict.fromkeys(PROFILE_VARIABLES, str(path.resolve()))
