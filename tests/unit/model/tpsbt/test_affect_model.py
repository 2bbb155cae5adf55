import torch
from torch.nn.functional import layer_norm

from mien.contract.bundle import ClipInput, ExpressionTask
from model.bundle.graph import Graph
from model.tasks.learnt import SideTask
from model.tpsbt.affect_model import AffectModel
from model.tpsbt.zoo import ZOO
from model.train.optim import finetuning_groups, optimisers, set_rate

CLIPS = (2, 3, 8, 32, 32)


def test_the_embedding_is_the_norm_of_the_last_stages_mean(affect_model):
    clips = torch.randn(CLIPS)
    *_, last = affect_model.encoder(clips)

    mean = last.reshape(2, -1, 32).mean(1)

    torch.testing.assert_close(affect_model(clips).embedding, layer_norm(mean, (32,), eps=1e-6))


def test_each_task_is_answered_from_the_same_embedding(affect_model):
    seen = affect_model(torch.randn(CLIPS))

    assert {kind: tuple(answer.shape) for kind, answer in seen.outputs.items()} == {
        "expression": (2, 3),
        "dimensions": (2, 2),
        "personality": (2, 2),
    }
    for kind, head in affect_model.heads.items():
        torch.testing.assert_close(seen.outputs[kind], head(seen.embedding))


def test_a_clip_is_perceived_alone_whatever_else_is_in_the_batch(affect_model):
    clips = torch.randn(CLIPS)

    torch.testing.assert_close(affect_model(clips).embedding[1:], affect_model(clips[1:]).embedding)


def test_every_parameter_learns(micro, tasks):
    model = AffectModel(micro, tasks, stochastic_depth=0.1).train()

    sum(answer.square().sum() for answer in model(torch.randn(CLIPS)).outputs.values()).backward()

    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_units_are_read_off_each_place_and_nothing_else_is(micro, tasks):
    model = AffectModel(micro, [*tasks, SideTask(kind="units", names=("AU1", "AU12", "AU26"))], clip=(8, 32)).eval()
    clips = torch.randn(CLIPS)
    *_, last = model.encoder(clips)
    seen = model(clips)

    places = model.norm(last).flatten(1) / 2  # 4 of them
    moved = model.norm(last).roll(1, dims=2).flatten(1) / 2  # the same tokens at other places

    torch.testing.assert_close(seen.outputs["units"], model.heads["units"](places))
    assert not torch.allclose(model.heads["units"](moved), seen.outputs["units"])
    assert seen.outputs["units"].shape == (2, 3)


def test_all_tasks_are_read_off_each_place_where_the_size_says_so(micro, tasks):
    model = AffectModel(micro._replace(heads_by_place=True), tasks, clip=(8, 32)).eval()
    clips = torch.randn(CLIPS)
    *_, last = model.encoder(clips)

    seen = model(clips)

    for kind, head in model.heads.items():
        torch.testing.assert_close(seen.outputs[kind], head(model.norm(last).flatten(1) / 2))
    torch.testing.assert_close(seen.embedding, layer_norm(last.mean(dim=(1, 2)), (32,), eps=1e-6))


def test_units_are_learned_but_not_exported(micro, tasks):
    units = SideTask(kind="units", names=("AU1",))
    model = AffectModel(micro, [*tasks, units], clip=(8, 32))
    clip = ClipInput(frames=8, size=32, interval_s=0.1, mean=(0.5,) * 3, std=(0.5,) * 3)

    graph = Graph(model, clip)

    assert graph.tasks == tuple(tasks)
    assert "units" not in graph.outputs


def test_with_a_frozen_encoder_only_heads_learn():
    size = ZOO["tiny"]
    model = AffectModel(size, [ExpressionTask(labels=("left", "right"))], stochastic_depth=0.5, clip=(8, 32))
    model.freeze_encoder()
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    groups = finetuning_groups(model, size.depths, weight_decay=0.1, layer_decay=1)

    (optimiser,) = optimisers(model, groups, (0.9, 0.95), muon_scale=3)
    set_rate(optimiser, 0.1)
    model(torch.randn(CLIPS)).outputs["expression"].square().sum().backward()
    optimiser.step()

    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"heads.expression.weight", "heads.expression.bias"}
