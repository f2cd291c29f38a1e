"""Where the maps of each detector's backbone are read."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Featurizer:
    """The part of a detector's network whose maps describe a box.

    module: its name in the network. last: where its last map, of stride 32, is read. before: where
    the map before it, of stride 16, is read. lengths: the channels of both maps, by these two
    names; a vector is as long as the last map has channels.
    """

    module: str
    last: str
    before: str
    lengths: dict[str, int]

    def __str__(self) -> str:
        return (
            f"{self.module}; last map: {self.last} ({self.lengths['last']} channels, stride 32); "
            f"map before: {self.before} ({self.lengths['before']} channels, stride 16)"
        )


RESNET50 = Featurizer(
    "backbone.body",
    "layer4 after its ReLU",
    "layer3 after its ReLU",
    {"before": 1024, "last": 2048},
)
RESNET50_D = Featurizer(
    "model.backbone.model",
    "stage4 after its ReLU",
    "stage3 after its ReLU",
    {"before": 1024, "last": 2048},
)
MOBILENET_V3 = Featurizer(
    "backbone.body",
    "after its last Hardswish",
    "expansion of its last block of stride 2, after the Hardswish",
    {"before": 672, "last": 960},
)
MOBILENET_V2 = Featurizer(
    "backbone",
    "after its last ReLU6",
    "block 13's expansion after its ReLU6",
    {"before": 576, "last": 1280},
)
