"""One table for every form of a setting: the fields of a dataclass, each with its `Leaf`."""
