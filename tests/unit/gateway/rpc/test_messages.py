from mien.contract.results import Window
from service.gateway.rpc.messages import window_message


def test_the_quality_of_a_window_is_set_if_it_is_known():
    assert window_message(2, Window(start_s=0, end_s=1, quality=0.0)).HasField("quality")
    assert window_message(2, Window(start_s=0, end_s=1, quality=0.75)).quality == 0.75
    assert not window_message(2, Window(start_s=0, end_s=1)).HasField("quality")
