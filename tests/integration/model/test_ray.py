"""`mien-model prepare --ray` and `render --ray` on a Ray cluster of this machine, of which nodes are killed."""

import contextlib
import json
import threading
from types import SimpleNamespace

import pytest

from model.data.executors import Processes
from model.data.journal import JOURNAL_FILE
from model.data.prepare import PrepareSettings, prepare
from model.data.prepared import read_rows
from model.data.ray_cluster import RayCluster
from model.errors import ModelError
from model.render.dataset import RenderSettings, render
from model.render.rasterise import Rasteriser
from tests.processes import HANG_S, free_port, wait_for
from tests.unit.model.render.heads import facekit
from tests.videos import face_video, shared_yunet

ray = pytest.importorskip("ray", reason="the package ray is not there: pip install -e '.[dev]'")

_TRIES = 4
_PORTS = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")


def started(start, **more):
    """Start a small node; Ray gives up where a busy machine takes more than 15 s for one of its processes."""
    for _ in range(_TRIES):
        ports = {name: free_port() for name in _PORTS}  # not those that Ray would choose and wait for
        with contextlib.suppress(Exception):  # what Ray raises is no narrower
            return start(num_cpus=1, object_store_memory=80 * 2**20, **ports, **more)
    pytest.skip(f"Ray did not start a node on this machine in {_TRIES} tries: it is too busy")


@pytest.fixture(scope="module")
def cluster():
    """A cluster of one node with one processor; tests add the second."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_agent_register_timeout_ms", str(1000 * HANG_S))
        made = Cluster()
        try:
            started(made.add_node, include_dashboard=False)
            yield made
        finally:
            ray.shutdown()
            made.shutdown()


@pytest.fixture
def second(cluster):
    """A second node; if it still runs, it is removed at the end."""
    added = started(cluster.add_node)
    yield added
    if added in cluster.worker_nodes:
        cluster.remove_node(added)


@pytest.fixture
def faces(tmp_path):
    root = tmp_path / "faces"
    root.mkdir()
    for number in range(6):
        face_video(root / f"{number}.mp4", seconds=0.4)
    return root


def test_a_lost_node_costs_only_the_jobs_that_it_held(cluster, second, tmp_path):
    jobs = [SimpleNamespace(id=str(number)) for number in range(8)]
    gate, losing = tmp_path / "gate", second.node_id

    def work(job):  # pickled by value: it needs no module of the tests
        import time

        import ray

        node = ray.get_runtime_context().get_node_id()
        with (gate.parent / f"began-{job.id}").open("a") as file:
            file.write(f"{node}\n")
        while node == losing or not gate.exists():  # there, nothing ends but with the node
            time.sleep(0.02)
        return f"done {job.id}"

    def began():
        return {path.name.removeprefix("began-"): path.read_text().split() for path in tmp_path.glob("began-*")}

    def lose():
        wait_for(lambda: len(began()) == 2)
        cluster.remove_node(second, allow_graceful=False)
        gate.touch()

    killer = threading.Thread(target=lose)
    killer.start()
    results = {job.id: result for job, result in RayCluster(cluster.address, (tmp_path,)).run(jobs, work)}
    killer.join()

    assert results == {job.id: f"done {job.id}" for job in jobs}
    nodes = began()
    lost = [job for job, where in nodes.items() if second.node_id in where]
    assert 0 < len(lost) < len(jobs)
    assert {job: len(where) for job, where in nodes.items()} == {job.id: 2 if job.id in lost else 1 for job in jobs}


def test_a_preparation_goes_on_there_and_comes_to_the_same(cluster, second, faces, tmp_path):
    settings = PrepareSettings(dataset="folder", root=faces, shards=True)
    prepare(settings, tmp_path / "plain" / "out", executor=Processes(1))
    out = tmp_path / "ray" / "out"

    def stop(done, _):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(settings, out, executor=Processes(1), progress=stop)
    begun = (out / JOURNAL_FILE).read_text()

    seen, packed = [], []

    def lose_a_node(done, everything):
        seen.append((done, everything))
        if done == 4 and second in cluster.worker_nodes:
            cluster.remove_node(second, allow_graceful=False)

    executor = RayCluster(cluster.address, (faces, out / JOURNAL_FILE))
    prepare(settings, out, executor=executor, progress=lose_a_node, packing=lambda *counts: packed.append(counts))

    assert seen == [(done, 6) for done in range(2, 7)]
    assert packed == [(6, 6)]
    journal = (out / JOURNAL_FILE).read_text()
    assert journal.startswith(begun)
    assert sorted(json.loads(line)[0] for line in journal.splitlines()[1:]) == [f"{n}.mp4" for n in range(6)]
    assert read_rows(out) == read_rows(tmp_path / "plain" / "out")
    assert [path.name for path in out.glob("**/.unfinished*")] == []


def test_people_are_rendered_there(cluster, tmp_path):
    try:
        Rasteriser(16).close()
    except ModelError as error:
        pytest.skip(str(error))
    settings = RenderSettings(facekit=facekit(), yunet=shared_yunet(), seed=2)
    out = tmp_path / "out"

    used = render(settings, 2, out, executor=RayCluster(cluster.address, (settings.facekit, out / JOURNAL_FILE)))

    assert len(read_rows(out)) == 3 * used > 0
