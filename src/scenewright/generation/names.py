"""Names that mean something special where a model is asked for."""

#: Of :class:`scenewright.generation.oracle.Oracle`.
ORACLE = "zoo/oracle"

#: Of :data:`scenewright.generation.samplers.SAMPLERS`.
SAMPLER_NAMES = ("euler", "ddim", "ddpm", "heun", "dpmpp_2m", "shortcut")
