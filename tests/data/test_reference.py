from lib.data.reference import reference


def test_outside_data_are_found_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("REFERENCE_DATA", str(tmp_path))
    assert reference("data/x") is None
    (tmp_path / "data" / "x").mkdir(parents=True)
    assert reference("data/x") == tmp_path / "data" / "x"
