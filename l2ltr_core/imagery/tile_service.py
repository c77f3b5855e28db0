"""Aerial squares from a web service of {z}/{x}/{y} tiles, read by GDAL's own tile driver."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

from l2ltr_core.errors import ImageryError
from l2ltr_core.imagery.raster import RasterImagery

DEFAULT_ZOOM = 19
"""Zoom level of CVUSA's aerial images: about 0.3 m a pixel at the equator."""
MAX_ZOOM = 23

_SERVICE = """<GDAL_WMS>
  <Service name="TMS"><ServerUrl>{address}</ServerUrl></Service>
  <DataWindow>
    <UpperLeftX>-20037508.34</UpperLeftX><UpperLeftY>20037508.34</UpperLeftY>
    <LowerRightX>20037508.34</LowerRightX><LowerRightY>-20037508.34</LowerRightY>
    <TileLevel>{zoom}</TileLevel><TileCountX>1</TileCountX><TileCountY>1</TileCountY><YOrigin>top</YOrigin>
  </DataWindow>
  <Projection>EPSG:3857</Projection><BlockSizeX>256</BlockSizeX><BlockSizeY>256</BlockSizeY>
  <BandsCount>3</BandsCount><MaxConnections>4</MaxConnections><Timeout>30</Timeout>
  <UserAgent>l2ltr</UserAgent><ZeroBlockHttpCodes>404,204</ZeroBlockHttpCodes>
</GDAL_WMS>"""


def open_tile_service(address: str) -> RasterImagery:
    """The imagery behind an address with {z}, {x} and {y}; `#zoom=18` at its end sets the finest level.

    Raises ImageryError for an address that lacks a part. It covers the world, so say which part you want.
    """
    template, _, fragment = address.partition("#")
    zoom = DEFAULT_ZOOM
    if fragment:
        found = re.fullmatch(r"zoom=(\d{1,2})", fragment)
        if not found or int(found[1]) > MAX_ZOOM:
            raise ImageryError(f"The tile address ends in #{fragment}; expected #zoom=0 to #zoom={MAX_ZOOM}.")
        zoom = int(found[1])
    missing = [part for part in ("{z}", "{x}", "{y}") if part not in template]
    if missing:
        raise ImageryError(
            f"The tile address {template} lacks {', '.join(missing)}; expected a form such as "
            "https://host/{z}/{x}/{y}.png."
        )
    server = escape(template).replace("{z}", "${z}").replace("{x}", "${x}").replace("{y}", "${y}")
    return RasterImagery(address, dataset=_SERVICE.format(address=server, zoom=zoom))
