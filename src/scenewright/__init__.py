"""Scenewright: the text-to-video workbench."""
