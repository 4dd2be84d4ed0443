from scenewright.text.tokenizer import Tokenizer

TEXTS = ["a red ball rolls left", "two blue cubes fall", "a green cone spins quickly"] * 5


def test_text_comes_back_from_its_ids():
    tokenizer = Tokenizer.train(TEXTS, 60)
    for text in TEXTS[:3]:
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.encode("A  RED\nball") == tokenizer.encode("a red ball")


def test_training_is_deterministic_and_the_file_is_the_tokenizer(tmp_path):
    first, second = Tokenizer.train(TEXTS, 60), Tokenizer.train(TEXTS, 60)
    assert first.encode("a red cube") == second.encode("a red cube")
    first.save(tmp_path / "t.model")
    assert Tokenizer.load(tmp_path / "t.model").encode("a red cube") == first.encode("a red cube")


def test_batches_are_padded_masked_and_cut():
    tokenizer = Tokenizer.train(TEXTS, 60)
    ids, mask = tokenizer.batch(["", "a red ball rolls left"], max_tokens=6)
    assert ids.shape == (2, 6)
    assert mask[0].tolist() == [True, True, False, False, False, False]
    assert ids[0, :2].tolist() == [2, 3]
    assert ids[1, -1] == 3
    assert mask[1].all()
    ids, _ = tokenizer.batch(["a"], max_tokens=9, pad_to_max=True)
    assert ids.shape == (1, 9)


def test_letters_never_seen_become_the_unknown_id():
    assert 1 in Tokenizer.train(TEXTS, 60).encode("ξ")
