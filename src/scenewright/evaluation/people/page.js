"use strict";
const $ = (id) => document.getElementById(id);
const state = { rater: "", task: null, began: 0, watched: 0, replays: 0, order: [] };

$("start").addEventListener("submit", (event) => {
  event.preventDefault();
  state.rater = $("rater").value.trim();
  if (state.rater) next();
});

const known = new URLSearchParams(location.search).get("rater");
if (known) { state.rater = known.trim(); next(); }

async function next() {
  const reply = await fetch("/task?rater=" + encodeURIComponent(state.rater)).catch(() => null);
  if (!reply || !reply.ok) return say("The server does not answer. Your answers so far are kept; try again later.");
  const found = await reply.json();
  document.title = found.title;
  $("title").textContent = found.title;
  $("start").hidden = true;
  state.task = found.task;
  $("task").hidden = !found.task;
  $("end").hidden = !!found.task;
  if (!found.task) return $("end").focus();
  say(found.done + (found.done === 1 ? " answer" : " answers") + " given");
  show(found.task);
}

function show(task) {
  Object.assign(state, { began: performance.now(), watched: 0, replays: 0, order: [] });
  $("prompt").textContent = task.prompt;
  $("question").textContent = task.text;
  $("videos").replaceChildren(...task.videos.map((address, place) => figure(address, place, task)));
  const answers = { compare, rank, rate, answer }[task.kind](task);
  $("answers").replaceChildren(...answers);
  $("keys").textContent = task.kind === "answer" && !task.choices.length ? ""
    : "Keys: 1 to " + answers.filter((x) => x.tagName === "BUTTON" && !x.dataset.last).length + ", R plays again.";
  $("question").focus();
}

function figure(address, place, task) {
  const video = document.createElement("video");
  Object.assign(video, { src: address, muted: true, autoplay: true, loop: true, controls: true, playsInline: true });
  video.setAttribute("aria-label", name(place, task));
  let last = 0;
  video.addEventListener("timeupdate", () => {
    const step = video.currentTime - last;
    if (step > 0) state.watched += step; else if (step < -0.05) state.replays += 1;
    last = video.currentTime;
  });
  const box = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = task.videos.length > 1 ? name(place, task) : "";
  box.append(video, caption);
  return box;
}

const name = (place, task) =>
  task.videos.length === 2 ? ["Left", "Right"][place] : task.videos.length === 1 ? "Video" : "Video " + (place + 1);

function button(text, value) {
  const one = document.createElement("button");
  one.textContent = text;
  one.addEventListener("click", () => send(value));
  return one;
}

function compare(task) {
  const all = [button("Left", "first"), button("Right", "second")];
  return task.ties ? [...all, button("No difference", "tie")] : all;
}

function rank(task) {
  return task.videos.map((_, place) => {
    const one = document.createElement("button");
    one.textContent = name(place, task);
    one.setAttribute("aria-pressed", "false");
    one.addEventListener("click", () => {
      const at = state.order.indexOf(place);
      if (at < 0) state.order.push(place); else state.order.splice(at, 1);
      for (const [i, other] of [...$("answers").children].entries()) {
        const rankOf = state.order.indexOf(i);
        other.setAttribute("aria-pressed", String(rankOf >= 0));
        other.textContent = name(i, task) + (rankOf < 0 ? "" : " \u2013 " + (rankOf + 1) + ".");
      }
      say(state.order.length + " of " + task.videos.length + " ranked, the best first");
      if (state.order.length === task.videos.length) send([...state.order]);
    });
    return one;
  });
}

const rate = (task) => Array.from({ length: task.scale }, (_, i) =>
  button(String(i + 1) + (i === 0 ? " (worst)" : i === task.scale - 1 ? " (best)" : ""), i + 1));

function answer(task) {
  if (task.choices.length) return task.choices.map((choice) => button(choice, choice));
  const text = document.createElement("textarea");
  text.rows = 3;
  text.maxLength = 4000;
  text.setAttribute("aria-labelledby", "question");
  const done = button("Send", "");
  done.dataset.last = "1";
  done.addEventListener("click", (event) => {
    event.stopImmediatePropagation();
    if (text.value.trim()) send(text.value.trim()); else { say("Write an answer first."); text.focus(); }
  }, true);
  return [text, done];
}

async function send(value) {
  const task = state.task;
  if (!task) return;
  state.task = null;
  const body = JSON.stringify({
    task: task.id, rater: state.rater, answer: value, seconds: (performance.now() - state.began) / 1000,
    watched: state.watched, replays: state.replays,
  });
  const reply = await fetch("/answer", { method: "POST", body }).catch(() => null);
  if (reply && reply.ok) return next();
  state.task = task;
  say("The answer was not taken. Try again.");
}

document.addEventListener("keydown", (event) => {
  if (!state.task || /^(INPUT|TEXTAREA)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey) return;
  if (event.key.toLowerCase() === "r") {
    for (const video of document.querySelectorAll("video")) { video.currentTime = 0; video.play(); }
  } else if (/^[1-9]$/.test(event.key)) {
    const one = $("answers").children[Number(event.key) - 1];
    if (one && one.tagName === "BUTTON") one.click();
  }
});

function say(text) { $("status").textContent = text; }
