"""A volume as a study: CT images in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from ct_images import ct_slice

from gransk.core.keys import uid
from gransk.core.study import Instance, Study
from gransk.core.volume import Volume


def volume_study(volume: Volume, name: str, date: str, **changes: Any) -> Study:
    """One series whose images are the slices of an axial volume."""
    g = volume.geometry
    instances = []
    for k, plane in enumerate(volume.hu):
        x, y, z = (float(v) for v in g.to_lps((k, 0, 0)))
        values = {
            "ImagePositionPatient": [x, y, z], "PixelSpacing": list(g.spacing[1:]),
            "SliceThickness": g.spacing[0], "StudyDate": date,
            "StudyInstanceUID": uid("volume study", name), "SeriesDescription": name,
        } | changes  # fmt: skip
        pixels = np.clip(np.rint(plane) + 1024, 0, 4095).astype(np.uint16)
        image = ct_slice(k, pixels=pixels, series=name, **values)
        instances.append(Instance(image, lambda ds=image: ds))
    return Study.from_instances(instances)
