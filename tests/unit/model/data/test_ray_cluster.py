"""What `RayCluster` makes of a cluster's answers; tests/integration/model/test_ray.py has a real one."""

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from model.data.ray_cluster import RayCluster
from model.errors import ModelError


@dataclass
class Job:
    id: str


class RayError(Exception):
    pass


class RayTaskError(RayError):
    def __init__(self, cause):
        super().__init__(f"a long traceback of {cause}")
        self.cause = cause


class Ray(ModuleType):
    """A cluster with one processor, in this process; a reference is a function that gives the result."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self):
        super().__init__("ray")
        self.waited, self.ended, self.lost, self.begun = [], 0, False, {}

    def init(self, address, **options):
        if address == "nowhere:6379":
            raise ConnectionError
        self.begun = options

    def remote(self, **options):
        assert options == {"num_cpus": 1, "max_retries": 3}
        return lambda do: SimpleNamespace(remote=lambda *arguments: lambda: do(*arguments))

    def cluster_resources(self):
        return {"CPU": 1.0}

    def wait(self, references, num_returns):
        self.waited.append(len(references))
        return references[-num_returns:], references[:-num_returns]

    def get(self, reference):
        if self.lost:
            raise RayError
        try:
            return reference()
        except Exception as error:
            raise RayTaskError(error) from error

    def shutdown(self):
        self.ended += 1


@pytest.fixture
def ray(monkeypatch):
    made = Ray()
    monkeypatch.setitem(sys.modules, "ray", made)
    return made


def run(do=lambda job: job.id.upper(), count=3, address="head:6379", shared=()):
    jobs = [Job(f"job {number}") for number in range(count)]
    return [(job.id, result) for job, result in RayCluster(address, tuple(shared)).run(jobs, do)]


def test_every_job_has_its_result_and_a_million_are_not_sent_at_once(ray):
    results = run(count=100)

    assert sorted(results) == sorted((f"job {number}", f"JOB {number}") for number in range(100))
    assert max(ray.waited) == 16
    assert ray.ended == 1


def test_the_code_goes_along_without_the_models(ray):
    run()

    environment = ray.begun["runtime_env"]
    assert [Path(folder).name for folder in environment["py_modules"]] == ["mien", "model", "service"]
    assert "bundles" in environment["excludes"]
    assert environment["env_vars"]["OPENBLAS_NUM_THREADS"] == "1"


def test_a_node_that_does_not_see_a_folder_is_named_before_it_works(ray, tmp_path):
    done = []

    with pytest.raises(ModelError, match=r"^The node .* does not see .*/gone: all nodes need the same folders"):
        run(done.append, shared=[tmp_path, tmp_path / "gone"])

    assert done == []
    assert ray.ended == 1


def test_an_error_of_a_job_is_its_own(ray):
    def fail(job):
        raise ModelError(f"{job.id} went wrong.")

    with pytest.raises(ModelError, match=r"^job \d went wrong\.$"):
        run(fail)


def test_a_job_that_is_lost_again_and_again_is_named(ray):
    ray.lost = True

    with pytest.raises(ModelError, match=r"The clip job \d was lost with its process or node 4 times"):
        run()


def test_a_cluster_that_is_not_there_and_a_missing_package_are_one_sentence(ray, monkeypatch):
    with pytest.raises(ModelError, match="There is no Ray cluster at nowhere:6379: start one with `ray start --head`"):
        run(address="nowhere:6379")

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ModelError, match=r"The Python package ray is missing: run pip install -e '\.\[ray\]'"):
        run()
