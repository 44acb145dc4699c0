"""All cameras' tracks -> where the cameras stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from refit_ros.calibration.bundle import LOOSE, Adjusted, Rays, adjust
from refit_ros.calibration.pairs import FITS, Pair, relate
from refit_ros.calibration.people import Someone, everybodys_rays, grouped
from refit_ros.calibration.scale import level, places, size_of
from refit_ros.calibration.sides import other_sides, righted
from refit_ros.calibration.types import Track
from refit_ros.camera.calibration import Calibration
from refit_ros.camera.rig import Rig
from refit_ros.core.errors import InputError

ROUNDS = 2  # of telling who is whom and adjusting
LEAST_WALKED_M = 0.5  # between the places where people are seen: on one spot everybody's error is the same at all times
LEAST_FITTING = 0.5  # of the points seen
FEWEST_MOMENTS = 10


def calibrate(
    tracks: Sequence[Track],
    lenses: Sequence[Calibration],
    names: Sequence[str],
    first: int = 0,
    level_frame: str = "",
    distance: tuple[int, int, float] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Rig:
    """Where the cameras stand: in the optical frame of camera `first`, or in a level frame of that name.

    names (K): of the tracks' points. distance: two cameras and how many m apart they are; without it the people's size,
    as each camera alone guesses it, gives the scale. Raises InputError with a sentence where that cannot be told.
    """
    check_count(lenses)
    by_camera = [[track for track in tracks if track.camera == index] for index in range(len(lenses))]
    _check_seen(by_camera, lenses)
    poses = _first_poses(by_camera, lenses, first, say)
    people, rays, adjusted = _adjusted(poses, tracks, lenses, other_sides(names), first)
    poses = adjusted.camera_from_world
    try:
        poses = _resized(poses, _growth(poses, people, names, distance, lenses))
        walked_m = _extent_m(places(people, poses))
        rig_from_world = level(people, poses, names, first) if level_frame else poses[first]
    except ValueError as error:
        raise InputError(str(error)) from None
    if walked_m < LEAST_WALKED_M:
        raise InputError(
            f"people stayed within {walked_m:.2f} m: walk through all of what the cameras see, {LEAST_WALKED_M:g} m at least"
        )
    fits = adjusted.off < FITS
    share, residual = _by_camera(rays, adjusted.off, fits, lenses)
    _check_fit(share, lenses)
    return Rig(
        tuple(lenses),
        level_frame or lenses[first].frame_id,
        rig_from_world @ np.linalg.inv(poses),
        residual,
        share,
        sets=len(np.unique(np.concatenate([someone.moments for someone in people]))),
        people=len(people),
        walked_m=walked_m,
    )


def check_count(lenses: Sequence[Calibration]) -> None:
    """Raises InputError where there is nothing to calibrate; worth asking before anything is looked at."""
    if len(lenses) < 2:
        raise InputError(f"{len(lenses)} camera is given, and extrinsics lie between two or more")


def _check_seen(by_camera: list[list[Track]], lenses: Sequence[Calibration]) -> None:
    for tracks, lens in zip(by_camera, lenses):
        if not tracks:
            raise InputError(f"camera {lens.name} saw nobody: somebody must walk where it looks, whole and not too small")
    moments = [np.unique(np.concatenate([track.moments for track in tracks])) for tracks in by_camera]
    for index, lens in enumerate(lenses):
        others = np.concatenate([each for other, each in enumerate(moments) if other != index])
        if not np.isin(moments[index], others).any():
            raise InputError(
                f"camera {lens.name} never saw somebody at a time at which another camera did: their recordings do not "
                "overlap in time, or nobody walked where both look"
            )


def _first_poses(
    by_camera: list[list[Track]], lenses: Sequence[Calibration], first: int, say: Callable[[str], None]
) -> np.ndarray:
    """(C, 4, 4) camera_from_world with camera `first` as the world, along the pairs that most sightings speak for."""
    pairs: dict[tuple[int, int], Pair] = {}
    for a in range(len(lenses)):
        for b in range(a + 1, len(lenses)):
            found = relate(by_camera[a], by_camera[b])
            if found is not None:
                pairs[a, b] = found
                say(f"{lenses[a].name} and {lenses[b].name}: {found.score} common sightings")
    poses = {first: np.eye(4)}
    while len(poses) < len(lenses):
        reach = [(pair.score, key) for key, pair in pairs.items() if (key[0] in poses) != (key[1] in poses)]
        if not reach:
            lost = ", ".join(lens.name for index, lens in enumerate(lenses) if index not in poses)
            raise InputError(
                f"nobody whom {lost} saw could be recognised in {lenses[first].name} or what hangs together with it: "
                "somebody must walk for some seconds where their views overlap, with the cameras' clocks alike"
            )
        a, b = max(reach)[1]
        pose = pairs[a, b].second_from_first
        if a in poses:
            poses[b] = pose @ poses[a]
        else:
            poses[a] = np.linalg.inv(pose) @ poses[b]
    return np.stack([poses[index] for index in range(len(lenses))])


def _adjusted(
    poses: np.ndarray, tracks: Sequence[Track], lenses: Sequence[Calibration], others: np.ndarray, first: int
) -> tuple[list[Someone], Rays, Adjusted]:
    for turn in range(ROUNDS):
        people = [righted(someone, poses, others) for someone in grouped(poses, tracks)]
        together = sum(len(someone.moments) for someone in people)
        if together < FEWEST_MOMENTS:
            raise InputError(f"the same person was seen by two cameras in {together} sets only: walk longer")
        points, rays = everybodys_rays(poses, people)
        unseen = sorted(set(range(len(lenses))) - set(rays.camera.tolist()))
        if unseen:
            raise InputError(
                f"nobody whom {lenses[unseen[0]].name} saw was seen by another camera for long enough: "
                "somebody must walk where their views overlap"
            )
        adjusted = adjust(poses, points, rays, first, LOOSE if turn == 0 else LOOSE[-1:])
        poses = adjusted.camera_from_world
    return people, rays, adjusted


def _growth(
    poses: np.ndarray,
    people: Sequence[Someone],
    names: Sequence[str],
    distance: tuple[int, int, float] | None,
    lenses: Sequence[Calibration],
) -> float:
    if distance is None:
        return size_of(people, poses, names)
    a, b, metres = distance
    apart_m = float(np.linalg.norm(np.linalg.inv(poses[a])[:3, 3] - np.linalg.inv(poses[b])[:3, 3]))
    if apart_m < 1e-3:
        raise ValueError(f"{lenses[a].name} and {lenses[b].name} come out in one place: give the distance of two others")
    return metres / apart_m


def _resized(poses: np.ndarray, growth: float) -> np.ndarray:
    larger = poses.copy()
    larger[:, :3, 3] *= growth
    return larger


def _extent_m(places_m: np.ndarray) -> float:
    """Along the direction in which the places lie widest, without the last twentieth at either end."""
    about = places_m - np.median(places_m, axis=0)
    along = about @ np.linalg.svd(about, full_matrices=False)[2][0]
    return float(np.diff(np.percentile(along, [5, 95]))[0])


def _by_camera(
    rays: Rays, off: np.ndarray, fits: np.ndarray, lenses: Sequence[Calibration]
) -> tuple[np.ndarray, np.ndarray]:
    """Of each camera the share of points that fit, and their root mean square distance in px."""
    share, residual = np.zeros(len(lenses)), np.zeros(len(lenses))
    for index, lens in enumerate(lenses):
        own = rays.camera == index
        share[index] = fits[own].mean()
        off_px = (off * rays.tolerance)[own & fits] * lens.focal_px
        residual[index] = np.sqrt(np.square(off_px).mean()) if len(off_px) else np.inf
    return share, residual


def _check_fit(share: np.ndarray, lenses: Sequence[Calibration]) -> None:
    worst = int(share.argmin())
    if share[worst] < LEAST_FITTING:
        raise InputError(
            f"only {share[worst]:.0%} of what {lenses[worst].name} saw fits the other cameras: its intrinsics are another "
            "camera's, its clock differs, or it was moved"
        )
