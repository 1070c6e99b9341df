"""The image cache of OpenStack Glance, on this cache: `ImageCache` has the names and the behaviour of `glance.image_cache.ImageCache`.

A Glance node changes one import, and keeps its directory, its options and its tools:

    from image_cache.glance import ImageCache

It differs where Glance's cache is wrong, for example:

- clients that ask for one cold image at the same time share one read of the store;
- the last chunk is withheld until the image is verified, and a read of a cached image verifies it;
- whatever exception the store raises reaches the client: a stream never ends short and looks whole;
- a process that dies blocks nothing: its image can be cached and queued at once.
"""

from ._driver import Driver
from ._exceptions import BadDriverConfiguration, GlanceException, WrongImage
from ._image_cache import ImageCache

__all__ = ["BadDriverConfiguration", "Driver", "GlanceException", "ImageCache", "WrongImage"]
