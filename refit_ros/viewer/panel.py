"""What stands beside the 3D view: who is there, how well it goes, what can be switched, played and saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from refit_ros.core.errors import InputError
from refit_ros.viewer.page import LAYERS, Page
from refit_ros.viewer.playback import SPEEDS, Playback
from refit_ros.viewer.state import Plots, SceneState

if TYPE_CHECKING:
    from viser import GuiEvent, ViserServer

NOBODY = "nobody"
IMAGES, RECORDED_IMAGES = ("camera", "overlay", "none"), ("camera", "none")
PLOT_HEIGHT_PX = 170
RENDER_S = 30.0  # for a browser to draw what is to be saved
# (id, ending) -> (file's name, content); raises InputError with a sentence.
MotionFile = Callable[[int, str], tuple[str, bytes]]


class Panel:
    """Built once; `show` is called a few times a second."""

    def __init__(
        self, server: ViserServer, page: Page, motion_file: MotionFile, playback: Playback | None, images: str
    ) -> None:
        self._server, self._page, self._motion_file, self._playback = server, page, motion_file, playback
        gui = server.gui
        gui.configure_theme(show_logo=False, show_share_button=False, control_width="large")
        gui.main_panel.dock_right()
        self._clock = gui.add_markdown("Waiting for people ...")
        if playback is not None:
            self._add_playback(playback)
        with gui.add_folder("People"):
            self._table = gui.add_markdown("Nobody is seen.")
            self._who = gui.add_dropdown("Person", (NOBODY,), hint="or click on a mesh")
            self._who.on_update(lambda _: self._take_choice())
            for ending, label in (("npz", "Save motion (.npz, AMASS)"), ("glb", "Save motion (.glb)")):
                gui.add_button(label).on_click(lambda event, ending=ending: self._save_motion(event, ending))
        with gui.add_folder("View"):
            for layer in LAYERS:
                box = gui.add_checkbox(layer.capitalize(), page.shown[layer])
                box.on_update(lambda event, layer=layer: self._switch(layer, bool(event.target.value)))
            self._images = gui.add_dropdown(
                "Images",
                IMAGES if playback is None else RECORDED_IMAGES,
                initial_value=images,
                hint="overlay: the node draws them while they are looked at" if playback is None else None,
            )
            self._images.visible = playback is None or playback.has_images
            gui.add_button("Save what is seen (.png)").on_click(self._save_view)
        with gui.add_folder("How well it goes", visible=playback is None):
            self._notes, self._figures = gui.add_markdown(""), gui.add_markdown("")
            self._plots = _PlotHandles(gui)

    @property
    def images(self) -> str:
        """Which images are wanted: one of IMAGES."""
        return str(self._images.value)

    def select(self, person: int) -> None:
        """Somebody was clicked."""
        if str(person) in self._who.options:
            self._who.value = str(person)
            self._take_choice()

    def show(self, state: SceneState, plots: Plots | None) -> None:
        self._set(
            self._clock, f"**{len(state.people)}** in `{state.frame_id}` at {state.stamp_s:.2f} s" if state.stamp_s else ""
        )
        self._set(self._table, people_table(state))
        names = (NOBODY, *(str(person.id) for person in state.people))
        chosen = str(self._who.value)
        if chosen not in names:  # who is gone can still be saved
            names = (*names, chosen)
        if tuple(self._who.options) != names:
            self._who.options = names
            self._who.value = chosen
        if plots is not None:
            self._set(self._notes, "\n\n".join(state.notes))
            self._set(self._figures, state.figures)
            self._plots.show(plots)
        if self._playback is not None:
            self._follow_playback(self._playback)

    @staticmethod
    def _set(handle, text: str) -> None:
        if handle.content != text:
            handle.content = text

    def _take_choice(self) -> None:
        self._page.selected = None if self._who.value == NOBODY else int(self._who.value)

    def _switch(self, layer: str, shown: bool) -> None:
        self._page.shown[layer] = shown

    def _add_playback(self, playback: Playback) -> None:
        gui = self._server.gui
        with gui.add_folder("Recording"):
            self._slider = gui.add_slider("Time [s]", 0.0, max(playback.length_s, 0.01), 0.01, 0.0)
            self._play = gui.add_checkbox("Play", playback.playing)
            speed = gui.add_dropdown("Speed", SPEEDS, initial_value=SPEEDS[1])
        self._play.on_update(lambda _: setattr(playback, "playing", bool(self._play.value)))
        speed.on_update(lambda _: setattr(playback, "speed", float(speed.value.rstrip("x"))))
        # Set from here, an element tells nobody's wish: only events of a client are.
        self._slider.on_update(
            lambda event: playback.go_to(float(self._slider.value)) if event.client_id is not None else None
        )

    def _follow_playback(self, playback: Playback) -> None:
        if playback.playing and abs(self._slider.value - playback.at_s) > 0.005:
            self._slider.value = round(playback.at_s, 2)
        if self._play.value != playback.playing:
            self._play.value = playback.playing

    def _save_motion(self, event: GuiEvent, ending: str) -> None:
        if event.client is None:
            return
        if self._page.selected is None:
            event.client.add_notification(
                "Nobody is chosen", "Choose a person above, or click on a mesh.", auto_close_seconds=6
            )
            return
        try:
            name, content = self._motion_file(self._page.selected, ending)
        except InputError as error:
            event.client.add_notification("Not saved", str(error), auto_close_seconds=10)
            return
        event.client.send_file_download(name, content, save_immediately=True)

    @staticmethod
    def _save_view(event: GuiEvent) -> None:
        client = event.client
        if client is None:
            return
        import cv2

        height, width = client.camera.image_height, client.camera.image_width
        try:
            image = client.get_render(height, width, transport_format="png", timeout=RENDER_S)
        except TimeoutError:  # the browser went away, or its tab is hidden and draws nothing
            client.add_notification("Not saved", f"The browser drew nothing within {RENDER_S:.0f} s.", auto_close_seconds=10)
            return
        _, content = cv2.imencode(".png", cv2.cvtColor(np.ascontiguousarray(image[..., :3]), cv2.COLOR_RGB2BGR))
        client.send_file_download("refit_view.png", content.tobytes(), save_immediately=True)


def people_table(state: SceneState) -> str:
    """Markdown: who is there."""
    if not state.people:
        return "Nobody is seen."
    rows = ["| id | height | speed | sure | seen by |", "|---|---|---|---|---|"]
    for person in sorted(state.people, key=lambda each: each.id):
        height = f"{person.height_m:.2f} m" if person.height_m is not None else "-"
        cells = (f"{person.speed_mps:.1f} m/s", f"{100 * person.confidence:.0f} %", ", ".join(person.cameras))
        rows.append(f"| **{person.id}** | {height} | {' | '.join(cells)} |")
    return "\n".join(rows)


class _PlotHandles:
    """Latency, and each camera's images and state; made anew when a camera comes, for their number belongs to the plot."""

    COLORS = ("#2b7bba", "#d9822b", "#3d9140", "#b04a4a", "#7a5195", "#8c6d31")

    def __init__(self, gui) -> None:
        self._gui, self._folder = gui, gui.add_folder(None)
        self._latency = None
        self._of_cameras: dict[str, Any] = {}
        self._names: tuple[str, ...] = ()

    def show(self, plots: Plots) -> None:
        if self._latency is None and len(plots.latency) > 1:
            self._latency = self._plot("Latency [ms]", ("latency",), tuple(plots.latency.T))
        elif self._latency is not None:
            self._latency.data = tuple(np.ascontiguousarray(each) for each in plots.latency.T)
        names = tuple(plots.rates)
        if not names:
            return
        tables = {"Images a second": together(plots.rates), "State: 0 well, 1 warning, 2 error": together(plots.levels)}
        for title, data in tables.items():
            if names != self._names:
                if title in self._of_cameras:
                    self._of_cameras[title].remove()
                self._of_cameras[title] = self._plot(title, names, data)
            else:
                self._of_cameras[title].data = data
        self._names = names

    def _plot(self, title: str, names: tuple[str, ...], data: tuple[np.ndarray, ...]):
        from viser import uplot

        series = [uplot.Series(label="s before now")]
        series += [
            uplot.Series(label=name, stroke=self.COLORS[i % len(self.COLORS)], width=2) for i, name in enumerate(names)
        ]
        data = tuple(np.ascontiguousarray(each) for each in data)
        scales = {"x": uplot.Scale(time=False, auto=True), "y": uplot.Scale(auto=True)}
        with self._folder:
            return self._gui.add_uplot(data, tuple(series), title=title, scales=scales, height=PLOT_HEIGHT_PX)


def together(values: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    """One axis of time for all cameras: a camera's value at each time is its last one; 0 before the first."""
    times = np.unique(np.concatenate([table[:, 0] for table in values.values()]))
    result = [times]
    for table in values.values():
        index = np.searchsorted(table[:, 0], times, side="right") - 1
        result.append(np.where(index >= 0, table[np.maximum(index, 0), 1] if len(table) else 0.0, 0.0))
    return tuple(result)
