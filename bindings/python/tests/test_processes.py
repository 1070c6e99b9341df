"""Forks, killed processes and the end of the interpreter."""

import os
import signal
import threading
import time
import unittest

import image_cache
from support import WAIT, CacheTest, image, in_child, md5, run_program, start_program, until


def read(path):
    with open(path) as file:
        return file.read()


def locks_of(process, path):
    """The POSIX locks of a process on a file, from /proc/locks."""
    inode = str(os.stat(path).st_ino)
    with open("/proc/locks") as file:
        rows = [line.split() for line in file]
    rows = [row for row in rows if "POSIX" in row and str(process) in row]
    return [row for row in rows if any(field.endswith(":" + inode) for field in row)]


class Operations:
    def test_a_child_uses_the_cache_of_its_parent_and_both_go_on(self):
        data = image(100_000)
        self.cache.cache_image("parent's", data)

        def work():
            assert self.cache.open_for_read("parent's").read() == data
            assert self.cache.cache_image("child's", data, md5=md5(data)).kind == "cached"
            assert self.cache.hit_count("parent's") == 1
            assert in_child(lambda: self.cache.cache_image("grandchild's", data)) == ""

        for _ in range(2):
            self.assertEqual(in_child(work), "")
            self.cache.delete_cached_image("child's")
            self.cache.delete_cached_image("parent's")
            self.cache.cache_image("parent's", data)
        self.assertEqual([record.image_id for record in self.cache.cached_images()], ["grandchild's", "parent's"])
        self.cache.close()
        with self.open() as again:
            self.assertEqual(len(again.cached_images()), 2)

    def test_readers_and_writers_of_the_parent_are_refused_in_the_child_and_go_on_in_the_parent(self):
        data = image(3 << 20)
        self.cache.cache_image("cirros", data)
        reader, writer = self.cache.open_for_read("cirros"), self.cache.begin("new")
        chunks = self.cache.caching_reader("tee", [b"a", b"b", b"c"])
        got = [reader.read(5), next(chunks)]
        writer.write(data[:5])

        def work():
            for use in (lambda: reader.read(1), lambda: writer.write(b"x"), writer.finish, lambda: next(chunks)):
                try:
                    use()
                    raise AssertionError("it was not refused")
                except image_cache.Forked as error:
                    assert "opened by the parent process" in str(error), error
            writer.abort()
            reader.close()
            assert not self.cache.is_cacheable("new")

        self.assertEqual(in_child(work), "")
        self.assertEqual(got[0] + reader.read(), data)
        writer.write(data[5:])
        self.assertEqual(writer.finish().kind, "cached")
        self.assertEqual([got[1], *chunks], [b"a", b"b", b"c"])
        self.assertEqual(self.cache.verify("new").size, len(data))

    def test_a_killed_parent_blocks_nothing_although_its_child_lives(self):
        parent = start_program(
            """
            import os, sys, time
            from image_cache import Cache
            cache = Cache(sys.argv[1], driver=sys.argv[2])
            writer = cache.begin("cirros")
            writer.write(b"x" * 1_000_000)
            if os.fork() == 0:
                print("ready", flush=True)
                time.sleep(60)
            os.wait()
            """,
            self.directory,
            self.cache.driver().name,
        )
        self.addCleanup(parent.stdout.close)
        self.addCleanup(parent.stdin.close)
        self.assertEqual(parent.stdout.readline(), "ready\n")
        self.assertTrue(self.cache.is_being_cached("cirros"))
        (child,) = read(f"/proc/{parent.pid}/task/{parent.pid}/children").split()
        parent.kill()
        parent.wait()
        try:
            until(lambda: not self.cache.is_being_cached("cirros"))
            self.assertEqual(self.cache.cache_image("cirros", b"again").kind, "cached")
        finally:
            os.kill(int(child), signal.SIGKILL)


class Sqlite(Operations, CacheTest):
    def test_a_child_has_its_own_locks_on_the_database(self):
        """SQLite's table of open files, which a child inherits, has the locks of the parent."""
        self.cache.cache_image("cirros", b"bytes")

        def work():
            self.cache.cached_images()
            assert locks_of(os.getpid(), self.path("cache.db-shm")), read("/proc/locks")

        self.assertEqual(in_child(work), "")
        self.assertTrue(locks_of(os.getpid(), self.path("cache.db-shm")))

    def test_children_and_parent_write_records_at_the_same_time(self):
        def work(prefix):
            for number in range(30):
                self.cache.cache_image(f"{prefix}-{number}", b"bytes")
                self.cache.open_for_read(f"{prefix}-{number}").read()

        children = []
        for child in range(4):
            process = os.fork()
            if process == 0:
                try:
                    work(child)
                    os._exit(0)
                finally:
                    os._exit(1)
            children.append(process)
        work("parent")
        for child in children:
            self.assertEqual(os.waitpid(child, 0)[1], 0)
        records = self.cache.cached_images()
        self.assertEqual((len(records), {record.hits for record in records}), (150, {1}))

    def test_a_fork_while_other_threads_use_the_cache_neither_hangs_nor_fails(self):
        is_over = threading.Event()

        def use(name):
            while not is_over.is_set():
                self.cache.cache_image(name, b"bytes")
                self.cache.delete_cached_image(name)

        threads = [threading.Thread(target=use, args=(f"thread-{number}",)) for number in range(3)]
        for thread in threads:
            thread.start()
        try:
            for number in range(20):
                self.assertEqual(in_child(lambda: self.cache.cache_image(f"child-{number}", b"bytes")), "")
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
        self.assertEqual(len([record for record in self.cache.cached_images() if "child" in record.image_id]), 20)

    def test_a_fork_does_not_wait_for_a_reader_that_waits(self):
        """The patience for another writer is half a minute; all of Python stands still during a fork."""
        data, writer = image(4 << 20), self.cache.begin("slow")
        writer.write(data)
        file, got = self.cache.follow("slow"), []
        reader = threading.Thread(target=lambda: got.extend(iter(lambda: file.read(1 << 20), b"")))
        reader.start()
        until(lambda: got)
        begun = time.monotonic()
        for _ in range(5):
            self.assertEqual(in_child(lambda: None), "")
        self.assertLess(time.monotonic() - begun, 5, "five forks")
        writer.finish()
        reader.join(WAIT)
        self.assertEqual(b"".join(got), data)

    def test_a_child_has_its_own_thread_that_interrupts_drivers(self):
        def threads():
            tasks = os.listdir("/proc/self/task")
            return [read(f"/proc/self/task/{task}/comm").strip() for task in tasks]

        def work():
            assert "image-cache-tic" not in threads(), "a child inherits no thread"
            self.cache.cache_image("cirros", b"bytes")
            assert "image-cache-tic" in threads(), threads()

        self.assertEqual(in_child(work), "")


class Xattr(Operations, CacheTest):
    options = {"driver": "xattr"}


class Ending(CacheTest):
    def run_to_end(self, text):
        result = run_program(text, self.directory)
        self.assertEqual((result.returncode, result.stderr), (0, ""), result)
        return result.stdout

    def test_the_interpreter_ends_while_a_daemon_thread_fills(self):
        for _ in range(5):
            self.run_to_end(
                """
                import sys, threading, time
                from image_cache import Cache
                cache = Cache(sys.argv[1])
                started = threading.Event()
                def source():
                    while True:
                        yield b"x" * 1_000_000
                        started.set()
                def fill():
                    for _ in cache.caching_reader("endless", source()):
                        pass
                threading.Thread(target=fill, daemon=True).start()
                started.wait()
                """
            )
        self.assertFalse(self.cache.is_being_cached("endless"))
        self.assertEqual(self.cache.cache_image("endless", b"bytes").kind, "cached")

    def test_the_interpreter_ends_while_a_daemon_thread_waits_for_another_fetch(self):
        self.run_to_end(
            """
            import sys, threading, time
            from image_cache import Cache
            cache = Cache(sys.argv[1])
            writer = cache.begin("slow")
            writer.write(b"x" * 1_000_000)
            def read():
                for _ in cache.get_or_fetch("slow", lambda: [b"own"]):
                    pass
            threading.Thread(target=read, daemon=True).start()
            time.sleep(0.5)
            """
        )
        self.assertFalse(self.cache.is_being_cached("slow"))

    def test_objects_that_are_still_open_at_the_end_lose_nothing(self):
        self.run_to_end(
            """
            import sys
            from image_cache import Cache
            cache = Cache(sys.argv[1], hit_delay=60)
            cache.cache_image("cirros", b"bytes")
            with cache.open_for_read("cirros") as file:
                file.read()
            writer, reader = cache.begin("unfinished"), cache.open_for_read("cirros")
            writer.write(b"bytes")
            sys.cycle = [cache, writer, reader]
            sys.cycle.append(sys.cycle)
            """
        )
        self.assertFalse(self.cache.is_cached("unfinished") or self.cache.is_being_cached("unfinished"))
        self.assertEqual(self.cache.hit_count("cirros"), 1)

    def test_two_processes_fetch_an_image_once(self):
        data = image(4 << 20)
        writer = self.cache.begin("cirros")
        writer.write(data[: 2 << 20])
        program = start_program(
            """
            import hashlib, sys
            from image_cache import Cache
            def source():
                raise AssertionError("it is fetched elsewhere")
                yield
            digest = hashlib.md5()
            for chunk in Cache(sys.argv[1]).get_or_fetch("cirros", source):
                if not digest.digest_size or chunk:
                    digest.update(chunk)
                    print("chunk", flush=True)
            print(digest.hexdigest(), flush=True)
            """,
            self.directory,
        )
        self.assertEqual(program.stdout.readline(), "chunk\n")
        writer.write(data[2 << 20 :])
        writer.finish()
        output = program.communicate(timeout=WAIT)[0]
        self.assertEqual((output.split()[-1], program.returncode), (md5(data), 0))


if __name__ == "__main__":
    unittest.main()
