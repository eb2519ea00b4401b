// The controls of a recorded run.

import { at, el, say, set } from "./dom.js";
import { exact } from "./words.js";

const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 5, 10];

/** @param {any} app */
export function player(app) {
  const { source } = app;
  const place = at("player");
  place.hidden = false;
  const button = (text, title, onclick) => el("button", { type: "button", text, title, "aria-label": title, onclick });
  const play = button("Play", "Play or stop (space)", () => source.play(!source.playing));
  const slider = /** @type {HTMLInputElement} */ (
    el("input", { type: "range", min: 0, max: 1000, step: "any", "aria-label": "Moment of the recording" })
  );
  slider.addEventListener("input", () => {
    source.play(false);
    source.move(source.first + (Number(slider.value) / 1000) * (source.last - source.first));
  });
  const speed = /** @type {HTMLSelectElement} */ (
    el("select", { "aria-label": "Speed" }, ...SPEEDS.map((each) => el("option", { value: each, text: `${each}×`, selected: each === 1 })))
  );
  speed.addEventListener("change", () => (source.speed = Number(speed.value)));
  const clock = el("output", { class: "clock" });
  const back = button("‹", "A frame back (←)", () => source.stride(false));
  const on = button("›", "A frame on (→)", () => source.stride(true));
  place.append(play, back, on, slider, clock, speed);

  function draw() {
    say(play, source.playing ? "Stop" : "Play");
    set(place, "data-playing", source.playing || null);
    const length = Math.max(source.last - source.first, 1);
    const passed = source.position - source.first;
    if (document.activeElement !== slider || source.playing) slider.value = String((passed / length) * 1000);
    const text = `${(passed / 1e6).toFixed(3)} of ${(length / 1e6).toFixed(3)} s · frame ${exact(source.taken)} of ${exact(source.steps.length)}`;
    say(clock, text);
    set(slider, "aria-valuetext", text);
  }

  return { draw };
}
