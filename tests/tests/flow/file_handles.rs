//! Images from open files of any kind, and handles that cannot be a source.

use image_cache::{Error, Expected, ImageCache, Outcome, UnsuitableFile};
use image_cache_tests::{TempCache, Tested, bytes, md5_hex, serve, with_both_drivers};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

with_both_drivers![
    every_kind_of_handle_to_a_file_is_accepted,
    a_pipe_is_read_until_its_writer_ends,
    a_socket_is_read_until_the_other_side_closes_it,
    the_output_of_a_program_is_cached,
    a_pipe_that_ends_too_early_is_refused,
    a_handle_that_cannot_be_a_source_is_refused_with_the_reason,
];

fn assert_cached(
    cache: &ImageCache,
    outcome: image_cache::Result<Outcome>,
    image: &[u8],
) -> Tested {
    assert!(matches!(outcome?, Outcome::Cached(record) if record.size == image.len() as u64));
    assert!(serve(cache, "a")? == image);
    cache.delete_cached_image("a")?;
    Ok(())
}

fn every_kind_of_handle_to_a_file_is_accepted(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(1, 5000));
    let mut file = tempfile::tempfile()?;
    file.write_all(&image)?;
    let rewound = |mut file: &File| file.seek(SeekFrom::Start(1000)).map(drop);
    let (rest, nothing) = (&image[1000..], Expected::nothing);
    rewound(&file)?;
    assert_cached(&cache, cache.cache_image_file("a", &file, nothing()), rest)?;
    assert_eq!(file.stream_position()?, 5000, "the position has moved");
    rewound(&file)?;
    assert_cached(&cache, cache.cache_image_file("a", &mut file, nothing()), rest)?;
    rewound(&file)?;
    assert_cached(&cache, cache.cache_image_file("a", file.as_fd(), nothing()), rest)?;
    rewound(&file)?;
    let owned = OwnedFd::from(file);
    assert_cached(&cache, cache.cache_image_file("a", &owned, nothing()), rest)?;
    let shared = std::sync::Arc::new(File::from(owned));
    rewound(&shared)?;
    assert_cached(&cache, cache.cache_image_file("a", shared, nothing()), rest)
}

fn a_pipe_is_read_until_its_writer_ends(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(2, 700_000));
    let (reader, mut writer) = io::pipe()?;
    let sent = image.clone();
    let sending = std::thread::spawn(move || writer.write_all(&sent));
    let expected = Expected::nothing().with_md5(&md5_hex(&image))?;
    assert_cached(&cache, cache.cache_image_file("a", &reader, expected), &image)?;
    sending.join().expect("the thread ends")?;
    Ok(())
}

fn a_socket_is_read_until_the_other_side_closes_it(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(3, 300_000));
    let (ours, mut theirs) = UnixStream::pair()?;
    let sent = image.clone();
    let sending = std::thread::spawn(move || {
        theirs.write_all(&sent)?;
        theirs.shutdown(Shutdown::Write)
    });
    assert_cached(&cache, cache.cache_image_file("a", &ours, Expected::nothing()), &image)?;
    sending.join().expect("the thread ends")?;
    Ok(())
}

fn the_output_of_a_program_is_cached(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let mut program = Command::new("echo").arg("an image").stdout(Stdio::piped()).spawn()?;
    let output = program.stdout.take().ok_or("it is piped")?;
    assert_cached(&cache, cache.cache_image_file("a", output, Expected::nothing()), b"an image\n")?;
    assert!(program.wait()?.success());
    Ok(())
}

fn a_pipe_that_ends_too_early_is_refused(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(b"half")?;
    drop(writer);
    let refused = cache.cache_image_file("a", &reader, Expected::nothing().with_size(8));
    assert!(
        matches!(refused, Err(Error::SizeMismatch { expected: 8, found: 4, .. })),
        "{refused:?}"
    );
    assert!(!cache.is_cached("a")?);
    Ok(())
}

fn a_handle_that_cannot_be_a_source_is_refused_with_the_reason(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let path = temp.put("../image", b"image");
    let path_only = rustix::fs::open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let (pipe, _writer) = io::pipe()?;
    rustix::fs::fcntl_setfl(&pipe, OFlags::NONBLOCK)?;
    let (socket, _other) = UnixStream::pair()?;
    socket.set_nonblocking(true)?;
    let (_reader, write_end) = io::pipe()?;
    let handles: [(OwnedFd, UnsuitableFile); 7] = [
        (File::open(temp.dir())?.into(), UnsuitableFile::Directory),
        (File::open("/dev/zero")?.into(), UnsuitableFile::CharacterDevice),
        (File::options().append(true).open(&path)?.into(), UnsuitableFile::NotForReading),
        (path_only, UnsuitableFile::NotForReading),
        (write_end.into(), UnsuitableFile::NotForReading),
        (pipe.into(), UnsuitableFile::NonBlocking),
        (socket.into(), UnsuitableFile::NonBlocking),
    ];
    for (handle, expected) in handles {
        let refused = cache.cache_image_file("a", &handle, Expected::nothing());
        let Err(error @ Error::UnsuitableFile { reason, .. }) = &refused else {
            panic!("{expected:?} is not refused: {refused:?}")
        };
        assert_eq!(*reason, expected);
        let words = format!("image a: the file cannot be its source: {expected}");
        assert!(error.to_string() == words && !error.is_retryable(), "{error}");
    }
    assert!(!cache.is_cached("a")? && temp.names("invalid").is_empty());
    assert_eq!(cache.counters().misses, 0, "nothing was read");
    Ok(())
}
