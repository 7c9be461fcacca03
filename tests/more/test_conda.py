"""rattler-build renders the conda recipe; building it needs a channel of conda."""

from __future__ import annotations

from pathlib import Path

import pytest

import cc_jupyter

rattler_build = pytest.importorskip("rattler_build")

RECIPE = Path(__file__).parents[2] / "conda" / "recipe.yaml"


def test_the_recipe_is_one_package_for_every_platform():
    recipe = rattler_build.Stage0Recipe.from_file(str(RECIPE))
    (rendered,) = recipe.render(rattler_build.VariantConfig())
    found = rendered.recipe.to_dict()
    assert found["package"] == {"name": "cc-jupyter", "version": cc_jupyter.__version__}
    assert found["build"]["noarch"] == "python"
    assert found["source"] == [{"path": f"../dist/cc_jupyter-{cc_jupyter.__version__}.tar.gz"}]
    assert not [each for each in found["requirements"]["run"] if "{{" in each]
