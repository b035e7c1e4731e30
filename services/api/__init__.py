"""The HTTP API, version 1: who may ask (`door`), what was asked (`questions`), the answers (`routes`, `timelines`, `live`)."""
