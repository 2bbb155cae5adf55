import pytest

from service.gateway.accept_header import prefers_csv


@pytest.mark.parametrize(
    ("accept", "csv"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/csv", True),
        ("Text/CSV; header=present", True),
        ("text/csv, */*;q=0.1", True),
        ("text/csv;q=0.5, application/json", False),
        ("text/csv;q=0", False),
        ("text/csv;q=much", False),
        ("application/json;q=0.5, text/csv;q=0.9", True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", False),  # a browser
        ("text/*", True),
    ],
)
def test_csv_comes_only_where_it_is_preferred(accept: str, csv: bool):
    assert prefers_csv(accept) is csv
