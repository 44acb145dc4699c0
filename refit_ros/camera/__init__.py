"""Calibrated cameras: lenses, crops, boxes, usable views."""
