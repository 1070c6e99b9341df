//! The HTTP service in front of an origin.

use super::{Reader, Reads, Store};
use image_cache_tests::http::{Client, Glance, Origin, data, write_head};
use image_cache_tests::serving::Served;
use image_cache_tests::{TempCache, Tested};
use std::io::{self, ErrorKind, Read};
use std::ops::Range;

pub struct Http {
    served: Served,
}

/// The body of a response.
struct Body {
    client: Client,
    left: u64,
}

impl Read for Body {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let room = buf.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if room == 0 {
            return Ok(0);
        }
        match self.client.read(&mut buf[..room])? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            count => {
                self.left -= count as u64;
                Ok(count)
            }
        }
    }
}

/// A Glance that sends the data of the store's source.
fn origin(store: Store) -> Origin {
    let glance = Glance::with("a", &store.image);
    glance.change("a", |image| image.md5 = store.md5.clone());
    Origin::new(move |request, output| {
        let is_data = request.target == data("a");
        if is_data && !request.is_download() && !store.is_sound {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        if !is_data || !request.is_download() {
            return glance.answer(request, output);
        }
        let headers = [("Content-Type", "application/octet-stream"), ("Content-MD5", &*store.md5)];
        write_head(output, "200 OK", &headers, Some(store.image.len()))?;
        io::copy(&mut (store.source.fetch())()?, output).map(drop)
    })
}

impl Http {
    fn ask(&self, headers: &[(&str, &str)]) -> Tested<Reader> {
        let mut client = self.served.client();
        client.begin("GET", &data("a"), headers)?;
        let head = client.head()?;
        if ![200, 206].contains(&head.status) {
            return Err(format!("{head:?}").into());
        }
        let left = head.header("content-length").ok_or("a length")?.parse()?;
        Ok(Box::new(Body { client, left }))
    }
}

impl Reads for Http {
    // More bytes than the kernel buffers for a connection on loopback.
    const BUFFERED: usize = 16 << 20;

    fn open(temp: &TempCache, store: &Store, fetch_to_end: bool) -> Tested<Http> {
        let temp = TempCache::at(temp.driver(), temp.dir());
        let options = ["--authorise", "never", "--fetch-to-end", &fetch_to_end.to_string()];
        Ok(Http { served: Served::on(temp, &origin(store.clone()).url(), &options) })
    }

    fn get(&self) -> Tested<Reader> {
        self.ask(&[])
    }

    fn get_range(&self, range: Range<u64>) -> Tested<Reader> {
        let range = format!("bytes={}-{}", range.start, range.end - 1);
        self.ask(&[("Range", &range)])
    }

    fn close(self) -> Tested<Option<u64>> {
        self.served.stop()?;
        Ok(None)
    }
}
