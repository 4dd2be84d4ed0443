"""What goes beyond OpenAI: prompts, estimates, the machine, imports, numbers, the studio's files."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from running_server import Running, running
from scenewright.server.app import create_app
from scenewright.server.estimates import Estimates
from scenewright.server.loaded import LoadedModels
from scenewright.server.settings import Limits, ServerSettings
from scenewright.server.video_request import VideoRequest
from scenewright.server.worker import Worker

PROMPT = "a large red ball rolls left, then it bumps into a small blue cube"


def test_a_prompt_is_shown_as_it_is_understood(server: Running) -> None:
    answer = server.client.post("/v1/prompts/parse", json={"prompt": PROMPT}).json()
    ball, cube = answer["entities"]
    assert (ball["text"], ball["shape"], ball["colour"], ball["size"]) == (
        "a large red ball",
        "sphere",
        "red",
        "large",
    )
    assert PROMPT[cube["start"] : cube["end"]] == "a small blue cube"
    where = cube["words"]["colour"]
    assert PROMPT[where["start"] : where["end"]] == "blue"
    assert [motion["kind"] for motion in ball["motions"]] == ["roll", "collide"]
    assert ball["motions"][1]["target"] == 1
    assert answer["unknown"] == []
    assert "blue" in answer["choices"]["colour"]


def test_unknown_words_are_told_with_who_does_not_know_them(server: Running) -> None:
    prompt = "a red ball and a dragon"
    answer = server.client.post("/v1/prompts/parse", json={"prompt": prompt}).json()
    (word,) = answer["unknown_places"]
    assert (word["word"], prompt[word["start"] : word["end"]]) == ("dragon", "dragon")
    assert "model" in word["by"]
    nothing = server.client.post("/v1/prompts/parse", json={"prompt": "hello world"}).json()
    assert (nothing["understood"], nothing["entities"]) == (False, [])
    assert "hello" in nothing["unknown"]
    assert nothing["notes"]
    unheard = server.client.post("/v1/prompts/parse", json={"prompt": PROMPT, "model": "sora-2"})
    assert unheard.status_code == 404


def test_estimates_come_from_what_was_measured(server: Running) -> None:
    body = {"prompt": PROMPT, "seconds": "2"}
    assert server.client.post("/v1/estimates", json=body).json()["known"] is False
    defaults = {"num_frames": 16, "width": 128, "height": 128, "steps": 12, "fast": False}
    Estimates(server.queue).record(
        model="nano", device="cpu", kind="generate", num_frames=16, width=128, height=128, steps=12, batch=1,
        seconds={"encode": 0.5, "denoise": 2.0, "decode": 0.25, "export": 0.25}, defaults=defaults,
        peak_memory=5_000_000, bytes=9000,
    )  # fmt: skip
    found = server.client.post("/v1/estimates", json=body).json()
    assert (found["known"], found["seconds"], found["memory"], found["disk"]) == (True, 3.0, 5_000_000, 9000)
    assert found["phases"]["denoise"] == 2.0
    assert found["fits"] is True
    assert found["waits"] is None  # there is no worker
    twice = server.client.post("/v1/estimates", json={**body, "num_inference_steps": 24}).json()
    assert twice["phases"]["denoise"] == 4.0
    wrong = server.client.post("/v1/estimates", json={"prompt": PROMPT, "num_frames": 99})
    assert wrong.json()["error"]["param"] == "num_frames"
    (measured,) = server.client.get("/v1/machine").json()["measurements"]
    assert (measured["model"], measured["videos"]) == ("nano", 1)
    assert measured["frames_per_second"] == round(16 / 3, 2)


def test_the_machine_is_described(server: Running) -> None:
    server.queue.register("w1", host="secret-host", device="cpu", pid=1)
    machine = server.client.get("/v1/machine").json()
    assert machine["cores"] > 0
    assert machine["disk_free"] > 0
    assert [worker["id"] for worker in machine["workers"]] == ["w1"]


def test_the_doctor_gives_advice_when_asked(server: Running) -> None:
    advice = server.client.get("/v1/machine?advice=true", timeout=120).json()["advice"]
    states = {line["name"]: line["state"] for line in advice}
    assert states["python"] == "ok"
    assert states["model nano"] == "ok"
    assert server.client.get("/v1/machine").json()["advice"] == advice


def test_hosts_are_told_to_administrators_alone(accounts_server: Running, key_of: Any) -> None:
    accounts_server.queue.register("w1", host="secret-host", device="cpu", pid=1)
    theirs = accounts_server.client.get("/v1/machine", headers=key_of("ann"))
    assert "secret-host" not in theirs.text
    assert "secret-host" in accounts_server.client.get("/v1/machine", headers=key_of("root", "admin")).text


def test_numbers_for_prometheus(server: Running) -> None:
    server.create()
    server.client.get("/v1/videos/video_1")
    families = {
        family.name: family for family in text_string_to_metric_families(server.client.get("/metrics").text)
    }
    videos = {sample.labels["status"]: sample.value for sample in families["scenewright_videos"].samples}
    assert videos["queued"] == 1
    routes = {
        (sample.labels["route"], sample.labels["status"]): sample.value
        for sample in families["scenewright_http_requests"].samples
        if sample.name.endswith("_total")
    }
    assert routes["/v1/videos", "200"] == 1
    assert routes["/v1/videos/{video_id}", "404"] == 1
    assert families["scenewright_workers"].samples[0].value == 0


def test_readiness_needs_the_database(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError

    assert server.client.get("/readyz").json()["workers"] == 0

    def away() -> None:
        raise OperationalError("SELECT secret", {}, Exception("gone"))

    monkeypatch.setattr(server.queue, "workers", away)
    answer = server.client.get("/readyz")
    assert answer.status_code == 503
    assert "secret" not in answer.text


def test_openai_seconds_that_the_model_cannot_fill_are_shown_slowly(server: Running) -> None:
    video = server.create(seconds=8)
    assert (video["num_frames"], video["fps"], video["seconds"]) == (16, 2.0, "8")
    assert "16 frames" in video["notes"][-1]
    exact = server.client.post("/v1/videos", json={"prompt": PROMPT, "seconds": 8, "fps": 8})
    assert exact.json()["error"]["param"] == "seconds"
    assert server.create(seconds=1)["num_frames"] == 8


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, Any]]:
    """A video's file, made by a worker for a server, and what the server says of it."""
    with running(ServerSettings(folder=tmp_path_factory.mktemp("made"), poll=0.05)) as server:
        video = server.create(PROMPT, seed=11, num_inference_steps=2, num_frames=8, negative_prompt="cones")
        worker = Worker(server.queue, server.services.store, LoadedModels())
        assert worker.turn()
        done = server.client.get(f"/v1/videos/{video['id']}").json()
        assert done["status"] == "completed", done
        return server.client.get(f"/v1/videos/{video['id']}/content").content, done


def test_a_file_brings_its_settings_back(server: Running, made: tuple[bytes, dict[str, Any]]) -> None:
    content, video = made
    answer = server.client.post("/v1/videos/import", files={"file": content})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["model_known"], found["video"], found["missing"]) == (True, None, [])
    settings = found["settings"]
    for name in ("prompt", "seed", "negative_prompt", "num_frames", "num_inference_steps", "model"):
        assert settings[name] == video[name]
    again = server.client.post("/v1/videos", json=settings)
    assert again.status_code == 200, again.text
    assert server.queue.list().jobs[0].request["seed"] == 11


def test_a_file_can_be_kept(server: Running, made: tuple[bytes, dict[str, Any]]) -> None:
    content, video = made
    kept = server.client.post("/v1/videos/import?keep=true", files={"file": content}).json()["video"]
    assert (kept["status"], kept["prompt"], kept["num_frames"]) == ("completed", PROMPT, 8)
    assert server.client.get(f"/v1/videos/{kept['id']}/content").content == content
    thumbnail = server.client.get(f"/v1/videos/{kept['id']}/content?variant=thumbnail")
    assert thumbnail.headers["content-type"] == "image/webp"
    assert server.client.get("/v1/videos").json()["data"][0]["id"] == kept["id"]
    assert video["id"] != kept["id"]


def test_a_file_brings_its_pictures_along(server: Running, tmp_path_factory: pytest.TempPathFactory) -> None:
    sink = io.BytesIO()
    Image.new("RGB", (128, 128), (10, 200, 30)).save(sink, "PNG")
    with running(ServerSettings(folder=tmp_path_factory.mktemp("elsewhere"), poll=0.05)) as elsewhere:
        form = {"prompt": PROMPT, "num_inference_steps": "2", "num_frames": "8"}
        asked = elsewhere.client.post("/v1/videos", data=form, files={"input_reference": sink.getvalue()})
        assert asked.status_code == 200, asked.text
        assert Worker(elsewhere.queue, elsewhere.services.store, LoadedModels()).turn()
        path = f"/v1/videos/{asked.json()['id']}/content"
        content = elsewhere.client.get(path).content
        at_home = elsewhere.client.post("/v1/videos/import", files={"file": content}).json()
        assert at_home["settings"]["input_reference"]["file_id"] == asked.json()["input_reference"]
    found = server.client.post("/v1/videos/import", files={"file": content}).json()
    assert found["missing"] == []
    file_id = found["settings"]["input_reference"]["file_id"]
    kept = b"".join(server.services.store.read(file_id.removeprefix("file_")))
    with Image.open(io.BytesIO(kept)) as picture:
        assert picture.convert("RGB").getpixel((64, 64)) == (10, 200, 30)
    again = server.client.post("/v1/videos", json=found["settings"])
    assert again.json()["input_reference"] == file_id


def test_files_that_cannot_be_imported(server: Running, video_file: bytes) -> None:
    stranger = server.client.post("/v1/videos/import", files={"file": video_file})
    assert stranger.json()["error"]["code"] == "no_settings"
    broken = server.client.post("/v1/videos/import", files={"file": b"no video"})
    assert broken.json()["error"]["code"] == "invalid_media"
    assert server.client.post("/v1/videos/import", data={"file": "text"}).status_code == 400


def test_the_api_loads_no_torch(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from fastapi.testclient import TestClient
from scenewright.server.app import create_app
from scenewright.server.settings import ServerSettings
app = create_app(ServerSettings(folder=Path({str(tmp_path)!r})))
with TestClient(app, base_url="http://localhost") as client:
    assert client.post("/v1/videos", json={{"prompt": "a red ball"}}).status_code == 200
    assert client.post("/v1/prompts/parse", json={{"prompt": "a red ball"}}).status_code == 200
    for path in ("/v1/models", "/v1/machine", "/v1/videos", "/metrics", "/v1/openapi.json"):
        assert client.get(path).status_code == 200, path
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_studio_is_served_where_it_is_built(tmp_path: Path, settings: ServerSettings) -> None:
    built = tmp_path / "built"
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text("<!doctype html><title>Studio</title>")
    (built / "assets" / "app-1a2b.js").write_text("1")
    (tmp_path / "outside.txt").write_text("secret")
    app = create_app(settings, studio_folder=built)
    with TestClient(app, base_url="http://localhost") as client:
        page = client.get("/")
        assert page.headers["cache-control"] == "no-cache"
        assert "script-src 'self'" in page.headers["content-security-policy"]
        script = client.get("/assets/app-1a2b.js")
        assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert client.get("/index.html").text == page.text
        assert client.get("/assets/missing.js").status_code == 404
        assert client.get("/v1/nothing").json()["error"]["code"] == "not_found"
        assert client.get("/%2e%2e/outside.txt").status_code == 404
        assert client.get("/library").json()["error"]["code"] == "not_found"
        assert client.put("/v1/videos").json()["error"]["code"] == "method_not_allowed"


def test_without_a_built_studio_there_is_nothing_at_the_root(
    settings: ServerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scenewright.server.api.studio.static_folder", lambda: None)
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        assert client.get("/").json()["error"]["code"] == "not_found"


def test_videos_expire_where_the_server_says_so(settings: ServerSettings) -> None:
    with running(settings.model_copy(update={"expire_days": 2.0, "limits": Limits()})) as server:
        video = server.create()
    assert video["expires_at"] - video["created_at"] == pytest.approx(2 * 86400, abs=2)


def test_files_that_nobody_uses_are_forgotten_after_a_while(server: Running) -> None:
    uploads, store = server.services.uploads, server.services.store
    used, unused = (uploads.keep("local", content, "image/png") for content in (b"used", b"unused"))
    server.create(cache=False)
    request = server.queue.list().jobs[0].request
    server.queue.submit("local", VideoRequest.model_validate({**request, "input_reference": used}))
    assert uploads.tidy() == 0  # they are new
    assert uploads.tidy(keep=-1) == 1
    assert store.size(used) == 4
    assert store.size(unused) is None
    assert uploads.own("local", f"file_{used}", "x") == used
