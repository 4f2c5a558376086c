"""The README of an export: where the model comes from, and what is not known."""

import json
import re
import shlex

import pytest

import kseq2seq
from kseq2seq import FeatureVocabulary
from kseq2seq.export import model_card
from kseq2seq.export.readme import preset_readme, readme
from kseq2seq.export.readme_templates import fill_template
from model_cards import (
    EXAMPLE,
    SEARCH,
    SIGNATURES,
    card_of,
    whole_run,
    write_run,
)


@pytest.fixture
def run(tmp_path):
    return whole_run(tmp_path / "run")


def test_requests_have_the_features_of_the_card(run):
    features = FeatureVocabulary(["N", "V", "SG", "PL"], separator=";")
    card = card_of(runs=[run], features=features)
    assert '"features": "N;PL"}]}' in readme(card)
    assert "features=['N;PL']" in readme(card)
    tokenizers = {"source": b"abc", "target": b""}
    card = model_card.preset_card(17, 68, "float32", tokenizers, run, features)
    preset = preset_readme("en_de", card)
    assert "translator([\"A dog.\"], features=['N;PL'])" in preset
    line = "printf '%s\\t%s\\n' 'A dog.' 'N;PL' | kseq2seq translate --features 1 en_de"
    assert f"$ {line}\n" in preset
    # Without a card of the training, the first symbols.
    assert '"features": "N;V"' in readme(card_of(features=features))


def test_the_readme_tells_where_the_model_comes_from(run, monkeypatch):
    code = {"commit": "beef", "changed": False}
    monkeypatch.setattr(model_card, "git_state", lambda: code)
    text = readme(card_of(runs=[run]))
    for fact in (
        "# en_de\n",
        "From: English. To: German.",
        "Data: Some. Licence: CC0.",
        "29,000 for training, 1,013 for test. Epochs: 2",
        "`python train.py 'a b'`",
        "trained it: `c0ffee`, with changes.",
        "exported it: `beef`.",
        "Exported with: python 3",
        "Trained with: keras 9.",
        "`BLEU|nrefs:1|tok:13a = 12.35`",
        "Measured on 1,013 texts, by the search",
        "1,234,567 parameters in float32, 4,938,268 bytes",
        "sha256 `ba7816bf",
        "Search: beam 3, length penalty 0.5",
        "at most min(41, 1.5 n + 7) tokens",
        "longer than 10,007 bytes",
        "longer than 211 tokens",
        "`truncated` tells it in `encode`.",
        "not UTF-8, and NUL",
        f"by kseq2seq {kseq2seq.__version__} on 20",
    ):
        assert fact in text, fact
    assert text.endswith(".\n") and "None" not in text and "not known" not in text
    assert "ensemble" not in text and "another search" not in text


def test_the_readme_says_what_is_not_known(tmp_path):
    text = readme(card_of(runs=[write_run(tmp_path)]))
    for fact in (
        "From: not known. To: not known.",
        "Data: not known. Licence: not known.",
        "Pairs: not known. Epochs: not known.",
        "Command: not known.",
        "Begun: not known. Finished: not known.",
        "trained it: not known.",
        "Trained with: not known.",
        "They are not known.",
    ):
        assert fact in text, fact
    assert "None" not in text
    text = readme(card_of())
    assert "not exported from a run folder" in text and "None" not in text


def test_scores_of_another_search_and_of_other_weights_are_said_to_be(run):
    search = {**SEARCH, "beam_size": 1, "num_hypotheses": 1}
    text = readme(card_of(runs=[run], search=search, weights="int8"))
    assert "by another search than that above, when the training ended." in text
    assert "Search: greedy" in text and "Search: beam 3" in text
    assert "weights before they became int8" in text
    assert "products" not in text.partition("Scores")[2]
    text = readme(card_of(runs=[run], products="int8"))
    assert "68 bytes. Products with them: int8." in text
    assert "those of the products with them before they became int8" in text
    assert "weights before" not in text


def test_an_ensemble_tells_of_each_of_its_models(run):
    other = {**run, "data": "Other"}
    text = readme(card_of(runs=[run, other]))
    first, second = text.index("## Training of model 1"), text.index("of model 2")
    assert first < text.index("Data: Some") < second < text.index("Data: Other")
    assert "an ensemble of 2 models" in text
    assert text.count("those of this model alone") == 2


def test_each_signature_has_a_table_of_its_tensors():
    text = readme(card_of())
    for name in SIGNATURES:
        assert f"\n### `{name}`\n\n{model_card.PURPOSES[name]}\n" in text
    rows = [line for line in text.splitlines() if line.startswith(("| in", "| out"))]
    assert rows[0] == "| input | `text` | string | [B] | text to translate, UTF-8 |"
    assert "| output | `memory` | float32 | [B, S, 17] | vector of each" in rows[-2]
    # What is not of this package is shown as it is.
    assert rows[-1] == "| output | `mine` | int64 | [3] |  |"
    assert len(rows) == 3 + 6 and {row.count("|") for row in rows} == {6}


def test_the_requests_can_be_pasted_into_a_shell():
    text = readme(card_of(name="it's mine"))
    block = re.search(r"```console\n(.*?)```", text, re.DOTALL).group(1)
    commands = block.replace("\\\n", " ").split("$ ")[1:]
    docker, first, second = (shlex.split(command) for command in commands)
    assert "$PWD/it's mine:/models/it's mine" in docker
    assert "MODEL_NAME=it's mine" in docker
    assert json.loads(first[2]) == {"instances": [{"text": EXAMPLE}]}
    assert json.loads(second[2]) == {
        "signature_name": "nbest",
        "inputs": {"text": [EXAMPLE]},
    }
    assert first[-1] == "localhost:8501/v1/models/it%27s%20mine:predict"
    served = {"serving_default": SIGNATURES["serving_default"]}
    text = readme(card_of(signatures=served, example=""))
    assert text.count("curl") == 1 and '{"text": "a text"}' in text
    assert "`truncated`" not in text


def test_a_template_needs_all_its_values():
    with pytest.raises(KeyError, match="purpose"):
        fill_template("signature", name="score", rows="")
    text = fill_template("signature", name="a $b", purpose="", rows="| x |")
    assert text.startswith("### `a $b`\n") and text.endswith("| x |\n")
