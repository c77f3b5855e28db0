"""Galleries: places with their aerial imagery and one descriptor index per checkpoint."""

from l2ltr_core.gallery.build import add_index, build_gallery
from l2ltr_core.gallery.gallery import Gallery, open_gallery, verify_gallery
from l2ltr_core.gallery.manifest import GalleryManifest
from l2ltr_core.gallery.places import load_places

__all__ = [
    "Gallery",
    "GalleryManifest",
    "add_index",
    "build_gallery",
    "load_places",
    "open_gallery",
    "verify_gallery",
]
