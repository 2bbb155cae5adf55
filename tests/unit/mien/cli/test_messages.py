import pytest

from mien.cli.messages import FLAGS, explanation, in_flags
from mien.contract.errors import KeyRefused, KeyRequired, NoSuchAnalysis, TooLong, Unreachable
from mien.contract.options import AnalyzeOptions


def test_every_option_that_the_command_line_offers_has_a_flag():
    assert set(FLAGS) == set(AnalyzeOptions.model_fields) - {"callback_url", "pictures"}


@pytest.mark.parametrize(
    ("api", "command_line"),
    [
        ("Cut it, or choose a part with start_s and end_s.", "Cut it, or choose a part with --start and --end."),
        ("To follow more, raise the option faces (up to 32).", "To follow more, raise the option --faces (up to 32)."),
        ("`tasks` or 'hop_s'", "--task or --hop"),
        ("More than 8 faces were seen.", "More than 8 faces were seen."),
        ("duration_s", "duration_s"),
    ],
)
def test_options_are_called_by_their_flags(api, command_line):
    assert in_flags(api) == command_line
    assert explanation(TooLong(api)) == command_line


def test_only_commands_with_local_recommend_it():
    error = Unreachable("Nobody. Start one.", 1, reason="Nobody.")
    assert explanation(error).startswith("Nobody. Start the service with `mien serve`")
    assert "--local" not in explanation(error)
    assert "--local" in explanation(error, local=True)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            KeyRequired("Send an API key: `Authorization: Bearer mien_…`."),
            "needs an API key: give one with --key or MIEN_KEY",
        ),
        (
            KeyRefused("This is not a complete API key. Send it as `Authorization: Bearer mien_…`."),
            "not a complete API key. Give a valid one, from `mien_` to its last character, with --key or MIEN_KEY.",
        ),
        (NoSuchAnalysis("No analysis has this id. Ids are given by POST /analyze."), "`mien list` shows the ids"),
    ],
)
def test_keys_and_ids_are_named_as_the_command_line_takes_them(error, said):
    sentence = explanation(error)

    assert said in sentence
    assert not {"Authorization", "POST"} & set(sentence.replace(":", " ").replace("`", " ").split())
