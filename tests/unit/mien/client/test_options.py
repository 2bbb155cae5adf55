import pytest

from mien.client.options import AnalyzeKeywords, LiveKeywords, merged
from mien.contract.errors import InvalidOption
from mien.contract.options import AnalyzeOptions, LiveOptions


@pytest.mark.parametrize(("keywords", "options"), [(LiveKeywords, LiveOptions), (AnalyzeKeywords, AnalyzeOptions)])
def test_every_option_is_a_keyword(keywords, options):
    assert set(keywords.__annotations__) == set(options.model_fields)


def test_keywords_go_before_options():
    options = AnalyzeOptions(faces=3, start_s=1)

    assert merged(AnalyzeOptions, options, {"faces": 2, "tasks": ["expression"]}) == AnalyzeOptions(
        faces=2, start_s=1, tasks=("expression",)
    )
    assert merged(AnalyzeOptions, None, {}) == AnalyzeOptions()


def test_a_wrong_value_is_an_error_of_the_tree_that_names_the_option():
    with pytest.raises(InvalidOption, match=r"^faces: "):
        merged(AnalyzeOptions, None, {"faces": 0})
    with pytest.raises(InvalidOption, match=r"end_s must be greater"):
        merged(AnalyzeOptions, None, {"start_s": 2, "end_s": 1})


def test_an_unknown_option_is_an_error_that_lists_the_known_ones():
    with pytest.raises(TypeError, match=r"'face'.*faces, hop_s"):
        merged(AnalyzeOptions, None, {"face": 1})
