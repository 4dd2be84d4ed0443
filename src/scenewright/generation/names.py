"""Names that mean something special where a model is asked for."""

#: Of :class:`scenewright.generation.oracle.Oracle`.
ORACLE = "zoo/oracle"
