"""The registry of models: which a site admitted, at which stage each stands, and on what evidence.

A model arrives as a folder or zip with ``card.yaml``, its ONNX file and its golden case
(`admission`, `inbox`). A child process checks it (`examine`); what passes lies as
``models/<id>@<version>/`` under the data folder, where `gransk.core.models.ModelLibrary` finds it.
People move it from stage to stage (`stages`), and settings may name only active models
(`choice`). Shipped models are active from the start and have no row.
"""
