"""The class with the names of Glance's."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

from .._errors import Error, InvalidChecksum
from .._files import FollowedFile, ImageFile
from .._tee import following
from .._writer import Writer
from ._configuration import registered
from ._driver import Driver
from ._exceptions import WrongImage
from ._streams import follow_then_tee, tee, tee_into_other

LOG = logging.getLogger(__name__)

CHUNK = 64 << 20
"""Bytes per read of an image file that is cached, as in Glance."""


class ImageCache:
    """Caches image data.

    Args:
        conf: the configuration with Glance's options: an `oslo_config.cfg.ConfigOpts` (default: `oslo_config.cfg.CONF`) or a mapping. The
            options are read at each operation, so a change takes effect.
        options: further options of the page *Configuration*, without `image_cache_`.

    Raises:
        BadDriverConfiguration: the options are faulty, or the directory cannot be used.
    """

    def __init__(self, conf: Any = None, **options: Any) -> None:
        self.conf = registered(conf)
        self._further = options
        self.init_driver()

    def init_driver(self) -> None:
        """Opens the cache with the configured driver."""
        self.driver_class = Driver
        self.configure_driver()

    def configure_driver(self) -> None:
        """Opens the cache. A driver that cannot be used, such as `centralized_db`, is replaced by sqlite, with a warning."""
        self.driver = self.driver_class(self.conf, **self._further)
        self.driver.configure()

    def is_cached(self, image_id: Any) -> bool:
        """Whether the image is cached."""
        return self.driver.is_cached(image_id)

    def is_queued(self, image_id: Any) -> bool:
        """Whether the image is in the queue."""
        return self.driver.is_queued(image_id)

    def get_cache_size(self) -> int:
        """Bytes of all cached images."""
        return self.driver.get_cache_size()

    def get_hit_count(self, image_id: Any) -> int:
        """How often the image was read to its end; 0 if it is not cached."""
        return self.driver.get_hit_count(image_id)

    def get_cached_images(self) -> list[dict[str, Any]]:
        """A dictionary for each cached image, ordered by id."""
        return self.driver.get_cached_images()

    def get_cached_nodes(self, image_id: Any) -> list[str]:
        """The URLs of the nodes that are known to have the image."""
        return self.driver.get_cached_nodes(image_id)

    def delete_all_cached_images(self) -> int:
        """Removes all cached images; returns how many."""
        return self.driver.delete_all_cached_images()

    def delete_cached_image(self, image_id: Any) -> None:
        """Removes a cached image, if it is cached."""
        self.driver.delete_cached_image(image_id)

    def delete_all_queued_images(self) -> int:
        """Empties the queue; returns how many images were removed."""
        return self.driver.delete_all_queued_images()

    def delete_queued_image(self, image_id: Any) -> None:
        """Removes an image from the queue, if it is queued."""
        self.driver.delete_queued_image(image_id)

    def prune(self) -> tuple[int, int]:
        """Evicts the least recently used images until the cache is within `image_cache_max_size`; returns images and bytes."""
        return self.driver.prune()

    def clean(self, stall_time: float | None = None) -> None:
        """Removes invalid files, and incomplete ones that are older than `stall_time` seconds."""
        self.driver.clean(stall_time)

    def queue_image(self, image_id: Any) -> bool:
        """Adds an image to the queue; False if it is cached, being cached or queued already."""
        return self.driver.queue_image(image_id)

    def get_queued_images(self) -> list[str]:
        """The queued images, in the order in which they were queued."""
        return self.driver.get_queued_images()

    def get_caching_iter(
        self, image_id: Any, image_checksum: str | None, image_iter: Iterable[Any]
    ) -> Iterator[Any]:
        """The chunks of the image. If it is not cached, they fill the cache; if another reader fetches it, they come from there."""
        return self.cache_tee_iter(image_id, image_iter, image_checksum)

    def cache_tee_iter(
        self, image_id: Any, image_iter: Iterable[Any], image_checksum: str | None
    ) -> Generator[Any, None, None]:
        """The chunks of `image_iter`, which fill the cache. The last one is withheld until they are verified.

        Raises:
            GlanceException: in place of the last chunk: they do not have the checksum. What `image_iter` raises is passed on.
        """
        return self._tee(image_id, image_iter, image_checksum, may_follow=True)

    def _tee(
        self, image_id: Any, image_iter: Iterable[Any], image_checksum: str | None, *, may_follow: bool
    ) -> Generator[Any, None, None]:
        stack = ExitStack()
        try:
            file = stack.enter_context(self.driver.open_for_write(image_id, image_checksum))
        except InvalidChecksum as error:
            raise WrongImage(error) from error
        except Exception:
            LOG.exception("image %s cannot be cached; it is served uncached", image_id)
            yield from image_iter
            return
        with stack:
            if not isinstance(file, Writer):
                yield from tee_into_other(image_id, image_iter, file)
            elif may_follow and (running := self._running(file)) is not None:
                # Its own fetch does not wait for another one again.
                tee_own = self._tee(image_id, image_iter, image_checksum, may_follow=False)
                yield from follow_then_tee(running, image_checksum, tee_own)
            else:
                yield from tee(image_iter, file)

    def cache_image_iter(
        self, image_id: Any, image_iter: Iterable[Any], image_checksum: str | None = None
    ) -> bool:
        """Reads the chunks into the cache; False if the image cannot be cached now."""
        if not self.driver.is_cacheable(image_id):
            return False
        for _ in self.get_caching_iter(image_id, image_checksum, image_iter):
            pass
        return True

    def cache_image_file(self, image_id: Any, image_file: Any) -> bool:
        """Reads a file into the cache; False if the image cannot be cached now."""
        return self.cache_image_iter(image_id, iter(lambda: image_file.read(CHUNK), b""))

    def open_for_read(self, image_id: Any) -> ImageFile:
        """The cached image as a file, for a `with` statement. Reading it to the end counts one hit.

        Raises:
            FileNotFoundError: it is not cached.
        """
        return self.driver.open_for_read(image_id)

    def get_image_size(self, image_id: Any) -> int:
        """Bytes of the cached image.

        Raises:
            FileNotFoundError: it is not cached.
        """
        return self.driver.get_image_size(image_id)

    def _running(self, writer: Writer) -> FollowedFile | None:
        """The running fetch of the writer's image; None if there is none. A failure of the cache does not concern the reader."""
        try:
            if writer.bypass is not None and writer.bypass.kind == "being-cached":
                return following(self.driver.cache, writer)
        except Error:
            LOG.exception("image %s: its running fetch cannot be followed", writer.name)
        return None
