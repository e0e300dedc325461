"""The OME-XML of what is written."""

from __future__ import annotations

OME_NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
SCHEMA_LOCATION = f"{OME_NAMESPACE} {OME_NAMESPACE}/ome.xsd"
