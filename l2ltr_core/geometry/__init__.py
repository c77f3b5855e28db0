"""Panoramas on the sphere, the polar transform and its inverse, distances on the globe."""
