"""Clients of a server, synchronous and asynchronous.

>>> from scenewright import Client
>>> with Client("http://127.0.0.1:8000") as client:
...     video = client.wait(client.create("a red ball rolls left").id)
...     client.download(video.id, "ball.mp4")
"""

from scenewright.client.asynchronous import AsyncClient
from scenewright.client.errors import ServerError, UnreachableServerError, VideoFailedError
from scenewright.client.synchronous import Client
from scenewright.client.video import Video

__all__ = ["AsyncClient", "Client", "ServerError", "UnreachableServerError", "Video", "VideoFailedError"]
