"""Every number that decides who is whom, each with its unit and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrackerConfig:
    """What people do, what the network and the detector err, and how sure one wants to be.

    Times are in seconds and never in sets: the same at 3 sets a second as at 30.

    `python -m refit_ros.evaluation.calibrate_tracker` measures the first three groups on drawn people, of seeds that nothing
    is reported on; what it found on two seeds stands behind each as (drawn: ...). What is used is wider: rooms are
    calibrated to centimetres, real people err more than drawn ones, and with values near the drawn ones four people who
    mingle, at 3 sets a second, lost an id (seed 0). The last groups were chosen on seed 0.
    """

    # How people move.
    velocity_memory_s: float = 1.0  # a walker's velocity is forgotten over about this time
    acceleration_m2_s3: float = 2.0  # spectral density of what changes the velocity (drawn: 0.46): sigma of a speed 1 m/s
    pose_sigma_m: float = 0.04  # joints about the pelvis, mean, from one set to the next (drawn: 0.018)
    pose_change_m_s: float = 0.5  # and how much more with each second (drawn: 0.34)
    # How one camera's estimate errs.
    bearing_jitter_m: float = 0.02  # across the ray, from set to set (drawn: 0.003)
    depth_jitter: float = 0.04  # along it, of the distance, from set to set (drawn: 0.005)
    bearing_sigma_m: float = 0.10  # across the ray, beside another camera's (drawn: 0.006)
    depth_sigma: float = 0.25  # along it, of the distance: a person's height is not known (drawn, four cameras: 0.023)
    # What a detector does.
    recall: float = 0.85  # share of the people in plain sight whom it finds (drawn: 1.00)
    false_alarms: float = 0.02  # boxes of nobody in an image (drawn: 0.00)
    box_density: float = 8.0  # log of how much denser its boxes lie where somebody is than where nobody is
    box_sigma: float = 0.12  # its box's middle, of the box's size (drawn: 0.038)
    box_size_sigma: float = 0.3  # its box's height, logarithm (drawn: 0.041)
    # What hides people.
    body_depth_m: float = 0.3  # who is nearer by this stands before another, and no two people come nearer than this
    least_visible: float = 0.35  # share of a person that must be in the open for a camera to be asked
    # Whom to believe.
    gate_sigma: float = 3.0  # farther than this from what was predicted it is somebody else
    same_body: float = 0.15  # of the size in the image: two estimates nearer than this are of one body
    nobody_wider: float = 4.0  # by this factor what is no person changes more, from look to look
    evidence_memory_s: float = 0.3  # sets within this time repeat one another's mistakes
    birth_log_odds: float = -2.0  # that an unassigned detection is a new person, before its own evidence
    confirm_log_odds: float = 1.5  # from here on somebody has an id: one look is enough where there is only one
    delete_log_odds: float = -2.5  # from here on somebody is nobody
    most_heard: float = 4.0  # log odds that a detector's word alone is worth: furniture is found again and again
    most_watched: float = 2.0  # likewise moving as people do: nobody is surer than the sum, and leaving is seen in time
    # Whose camera has moved.
    moved_slack: float = 0.5  # share of `moved_camera_px` that honest cameras are off by


DEFAULT = TrackerConfig()
