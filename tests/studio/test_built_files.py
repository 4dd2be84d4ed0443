"""The built files are those of the sources, small, and say everything in both languages."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scenewright import studio

APP = Path(studio.__file__).parent / "app"
STATIC = Path(studio.__file__).parent / "static"


def dictionary(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((APP / "src/i18n" / f"{language}.json").read_text())
    return found


def sources() -> str:
    return "\n".join(path.read_text() for path in sorted((APP / "src").rglob("*.ts*")))


def test_the_built_files_are_there() -> None:
    assert studio.static_folder() == STATIC
    page = (STATIC / "index.html").read_text()
    for name in re.findall(r'(?:src|href)="\./([^"]+)"', page):
        assert (STATIC / name).is_file(), name


def test_the_page_has_no_script_or_style_of_its_own() -> None:
    page = (STATIC / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=", page) == []


def test_the_first_load_is_small() -> None:
    """Under 200 kB, as sent."""
    total = sum(len(gzip.compress(path.read_bytes())) for path in STATIC.rglob("*") if path.is_file())
    assert total < 200_000


def test_both_languages_say_everything() -> None:
    english, german = dictionary("en"), dictionary("de")
    assert set(english) == set(german)
    for key, text in english.items():
        assert text.strip(), key
        assert german[key].strip(), key
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", german[key])), key


def test_no_string_is_left_over() -> None:
    """Each key stands in a source, whole or as the beginning of one that is put together."""
    text = sources()
    patterns = re.findall(r"`([\w.-]*\$\{[^`]+)`", text)
    made = [
        re.compile(r"[\w-]+".join(map(re.escape, re.split(r"\$\{[^}]*\}", p))))
        for p in patterns
        if p[0] != "$"
    ]
    for key in dictionary("en"):
        stem = re.sub(r"\.(one|other)$", "", key)
        whole = f'"{key}"' in text or f'"{stem}"' in text
        assert whole or any(pattern.fullmatch(key) for pattern in made), key


def test_the_words_of_the_chips_are_those_of_the_world() -> None:
    from scenewright.world import lexicon, scene

    text = (APP / "src/make/words.ts").read_text()
    colours = re.findall(r'"(\w+)"', text.partition("COLOURS")[2].partition("]")[0])
    assert colours == list(scene.COLORS)
    shapes = text.partition("SHAPES")[2].partition("};")[0]
    assert re.findall(r"^  (\w+):", shapes, re.M) == list(scene.SHAPES)
    for shape, singular, plural in re.findall(r'(\w+): \["(\w+)", "(\w+)"\]', shapes):
        nouns = lexicon.SHAPE_NOUNS[shape]  # type: ignore[index]
        assert any((noun.singular, noun.plural) == (singular, plural) for noun in nouns)
    motions = re.findall(r'(\w+): \["(\w+)", "(\w+)", "(\w+)"\]', text.partition("MOTIONS")[2])
    assert {kind for kind, *_ in motions} == set(scene.MOTION_KINDS) - scene.TARGETED_MOTIONS
    for kind, *forms in motions:
        verbs = lexicon.MOTION_VERBS[kind]
        assert any([verb.base, verb.third, verb.ing] == forms for verb in verbs), kind


def test_the_packages_are_pinned_and_come_from_the_public_registry() -> None:
    package = json.loads((APP / "package.json").read_text())
    assert len(package["dependencies"]) <= 10
    for version in (package["dependencies"] | package["devDependencies"]).values():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    for path, entry in json.loads((APP / "package-lock.json").read_text())["packages"].items():
        assert not path or entry["integrity"].startswith("sha512-"), path
        assert entry.get("resolved", "https://registry.npmjs.org/").startswith("https://registry.npmjs.org/")


def test_the_licences_of_what_is_built_in_go_along() -> None:
    text = (STATIC / "licences.txt").read_text()
    package = json.loads((APP / "package.json").read_text())
    for name, version in package["dependencies"].items():
        assert f"\n{name} {version}\n" in text


def test_a_build_of_the_sources_gives_the_files_that_are_there(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if not (APP / "node_modules/vite").is_dir():
        pytest.skip("the studio's packages are not installed; run npm ci in src/scenewright/studio/app")
    for command in (
        ["node_modules/.bin/tsc", "--noEmit"],
        ["node_modules/.bin/vite", "build", "--outDir", str(tmp_path / "built"), "--logLevel", "error"],
    ):
        result = subprocess.run(command, cwd=APP, capture_output=True, text=True, timeout=200)
        assert result.returncode == 0, result.stdout + result.stderr
    built = {
        p.relative_to(tmp_path / "built"): p.read_bytes()
        for p in (tmp_path / "built").rglob("*")
        if p.is_file()
    }
    there = {p.relative_to(STATIC): p.read_bytes() for p in STATIC.rglob("*") if p.is_file()}
    assert sorted(built) == sorted(there)
    assert [name for name in built if built[name] != there[name]] == []
