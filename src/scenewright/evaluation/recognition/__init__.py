"""Networks of the package that recognise what happens in a clip of the world, trained on the world alone.

The 3-D network also serves as the built-in feature network of distances between sets of clips. Its numbers
have nothing to do with those of Kinetics I3D.
"""

from scenewright.evaluation.recognition.actions import agreement
from scenewright.evaluation.recognition.clips import recognise
from scenewright.evaluation.recognition.weights import load_recogniser, load_segments

__all__ = ["agreement", "load_recogniser", "load_segments", "recognise"]
