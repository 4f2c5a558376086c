"""Recipes of the package, and the reading of TOML."""

import pytest

from kseq2seq import trainer
from kseq2seq.trainer import recipe_files
from paths import ROOT


def test_recipes_are_those_that_are_promised():
    assert set(trainer.recipe_names()) >= {
        "conversation",
        "dates",
        "g2p",
        "g2p_cmudict",
        "inflection",
        "multi30k_en_de",
        "spoken_numbers",
        "summaries",
        "tatoeba_en_fr",
        "ted_pt_en",
    }


def test_the_repository_has_one_copy_of_them():
    for path in (ROOT / "training" / "configs").glob("*.toml"):
        assert path.samefile(trainer.find_recipe(path.stem))
    assert {x.stem for x in (ROOT / "training" / "configs").glob("*.toml")} == set(
        trainer.recipe_names()
    )


@pytest.mark.parametrize("name", trainer.recipe_names())
def test_recipes_tell_all_that_a_model_card_says(name):
    recipe = recipe_files.read_toml(trainer.find_recipe(name))
    names = {"source", "target", "data", "licence", "example"}
    if "features_column" in recipe["data"]:
        names.add("example_features")
    card = recipe["card"]
    assert set(card) == names
    assert all(card.values())


def test_a_recipe_is_found_by_its_name_and_others_by_their_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dates").touch()
    (tmp_path / "own").touch()
    assert trainer.find_recipe("dates").read_text()
    assert trainer.find_recipe("own").samefile("own")
    assert str(trainer.find_recipe("absent.toml")) == "absent.toml"
    with pytest.raises(ValueError, match=r"a recipe: .*, dates, .*Received: 'date'"):
        trainer.find_recipe("date")


def test_the_mark_of_an_editor_is_no_setting(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text("[training]\nepochs = 3\n", encoding="utf-8-sig")
    assert trainer.read_settings(path).training.epochs == 3


def test_each_recipe_has_a_line():
    lines = trainer.describe_recipes().splitlines()
    assert [line.split()[0] for line in lines] == trainer.recipe_names()
    assert "English -> German" in trainer.describe_recipes()
    needs = {line.split()[0]: line.rpartition("; ")[2] for line in lines}
    assert (
        needs["dates"] == "needs no files)" and needs["tatoeba_en_fr"][6:] == "--data)"
    )
    assert needs["ted_pt_en"] == "downloads its data)"
