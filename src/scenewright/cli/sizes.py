"""The ``WxH`` parameter type."""

from __future__ import annotations

import re

import click

LARGEST = 8192


class _Size(click.ParamType):
    name = "WxH"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,5})\s*[xX×*]\s*(\d{1,5})", value.strip())
        if not match:
            self.fail(f"{value!r} is no size; write width x height in pixels, such as 256x256", param, ctx)
        width, height = int(match[1]), int(match[2])
        if not (1 <= width <= LARGEST and 1 <= height <= LARGEST):
            self.fail(f"{width}x{height}: each side must be from 1 to {LARGEST} pixels", param, ctx)
        return width, height


SIZE = _Size()
