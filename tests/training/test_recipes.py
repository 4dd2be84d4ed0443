import pytest

from scenewright.config import load_recipe, recipe_names
from scenewright.training.config import TrainingRecipe


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_of_the_package_is_valid_and_keeps_to_the_training_split(name):
    recipe = load_recipe(TrainingRecipe, name)
    assert recipe.name == name
    assert all(stage.data.split == "train" for stage in recipe.stages)


def test_an_override_reaches_a_stage():
    recipe = load_recipe(TrainingRecipe, "nano", ["stages.0.steps=7", "optimizer.lr=3e-4"])
    assert recipe.stages[0].steps == 7
    assert recipe.optimizer.lr == 3e-4
