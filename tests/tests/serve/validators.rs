//! The validators of an image always match its bytes: with two services, after a kill, and for clients that have the image
//! already.

use image_cache_tests::http::{Client, Glance, Origin, Request, data, reply_with_file, write_head};
use image_cache_tests::serving::Served;
use image_cache_tests::{TempCache, Tested, bytes, fill, md5_hex, skip, until};
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

const SIZE: usize = 3 << 20;
const FIRST: usize = 1 << 20;
const PLAIN: [&str; 2] = ["--profile", "plain"];

fn etag(image: &[u8]) -> String {
    format!("\"{}\"", md5_hex(image))
}

/// A server of one file, which can be replaced; the first response stops in the middle until the test releases it.
fn gated(image: &[u8]) -> (Origin, Arc<Mutex<Vec<u8>>>, Sender<()>) {
    let (image, (open, opened)) = (Arc::new(Mutex::new(image.to_vec())), channel::<()>());
    let (served, opened) = (Arc::clone(&image), Mutex::new(Some(opened)));
    let origin = Origin::new(move |request: &Request, output| {
        let image = served.lock().map_err(|_| std::io::Error::other("poisoned"))?.clone();
        let headers = [("ETag", &*etag(&image))];
        if request.header("if-none-match") == Some(headers[0].1) {
            return write_head(output, "304 Not Modified", &headers, None);
        }
        let gate = opened.lock().ok().and_then(|mut opened| opened.take());
        let Some(gate) = gate else { return reply_with_file(request, output, &headers, &image) };
        write_head(output, "200 OK", &headers, Some(image.len()))?;
        output.write_all(&image[..FIRST])?;
        let _ = gate.recv();
        output.write_all(&image[FIRST..])
    });
    (origin, image, open)
}

fn begin(served: &Served) -> Tested<Client> {
    let mut client = served.client();
    client.begin("GET", "/a", &[])?;
    assert_eq!(client.head()?.cache(), "miss");
    client.take(1000)?;
    Ok(client)
}

/// Another service with the same directory.
fn beside(served: &Served, url: &str) -> Served {
    Served::on(TempCache::at("sqlite", served.temp.dir()), url, &PLAIN)
}

#[test]
fn two_services_on_one_directory_share_a_fetch_of_the_same_image() -> Tested {
    let image = bytes(1, SIZE);
    let (origin, _, open) = gated(&image);
    let served = Served::before(&origin.url(), &PLAIN);
    let other = beside(&served, &origin.url());
    let mut first = begin(&served)?;
    let mut second = other.client();
    second.begin("GET", "/a", &[])?;
    let told = second.head()?;
    assert_eq!((told.cache(), told.header("etag")), ("shared", Some(&*etag(&image))));
    open.send(())?;
    assert!(first.take(SIZE - 1000)? == image[1000..]);
    assert!(second.take(SIZE)? == image);
    assert!(other.is_cached("a"));
    other.get("/a")?.assert_is(200, "hit", &image);
    Ok(())
}

#[test]
fn two_services_on_one_directory_never_mix_up_an_image_and_the_one_that_replaced_it() -> Tested {
    let (old, new) = (bytes(2, SIZE), bytes(3, SIZE));
    let (origin, image, open) = gated(&old);
    let served = Served::before(&origin.url(), &PLAIN);
    let other = beside(&served, &origin.url());
    let mut first = begin(&served)?;
    *image.lock().map_err(|_| "poisoned")? = new.clone();
    let answer = other.get("/a")?;
    answer.assert_is(200, "bypass", &new);
    assert_eq!(answer.header("etag"), Some(&*etag(&new)));
    open.send(())?;
    assert!(first.take(SIZE - 1000)? == old[1000..]);
    assert!(other.is_cached("a"));
    for service in [&other, &served] {
        let answer = service.get("/a")?;
        assert!(answer.body == new, "the old image was confirmed as the new one");
        assert_eq!(answer.header("etag"), Some(&*etag(&new)));
    }
    Ok(())
}

/// The state of a service that was killed after it had published an image, and before it had stored the response.
fn killed_at_the_commit(image: &[u8]) -> Tested<(TempCache, Origin)> {
    let (origin, _, open) = gated(image);
    let served = Served::before(&origin.url(), &PLAIN);
    let mut client = begin(&served)?;
    let known = served.temp.path(".image-cache/http");
    let promise = known.join(".promised/a");
    assert!(until(|| promise.exists()));
    let promised = fs::read(&promise)?;
    open.send(())?;
    assert!(client.take(SIZE - 1000)? == image[1000..]);
    assert!(served.is_cached("a") && until(|| known.join("a").exists() && !promise.exists()));
    let temp = served.stop()?;
    fs::remove_file(known.join("a"))?;
    fs::write(&promise, promised)?;
    origin.clear_requests();
    Ok((temp, origin))
}

#[test]
fn a_kill_at_the_commit_costs_no_more_than_asking_again() -> Tested {
    let image = bytes(4, SIZE);
    let (temp, origin) = killed_at_the_commit(&image)?;
    let served = Served::on(temp, &origin.url(), &PLAIN);
    let answer = served.get("/a")?;
    answer.assert_is(200, "hit", &image);
    assert_eq!(answer.header("etag"), Some(&*etag(&image)));
    assert_eq!(origin.downloads("/a"), 1);
    assert!(origin.requests()[0].header("if-none-match").is_some());
    Ok(())
}

#[test]
fn a_stored_response_from_before_a_kill_is_not_used_for_another_file() -> Tested {
    let image = bytes(5, SIZE);
    let (temp, origin) = killed_at_the_commit(&image)?;
    let cache = temp.open();
    cache.delete_cached_image("a")?;
    fill(&cache, "a", &bytes(6, SIZE));
    drop(cache);
    let served = Served::on(temp, &origin.url(), &PLAIN);
    served.get("/a")?.assert_is(200, "miss", &image);
    Ok(())
}

#[test]
fn a_client_that_has_a_cached_image_does_not_get_it_again() -> Tested {
    let image = bytes(7, 1000);
    let origin = Glance::with("a", &image).origin();
    let served = Served::before(&origin.url(), &[]);
    served.get(&data("a"))?.assert_is(200, "miss", &image);
    assert!(served.is_cached("a"));
    let known = served.ask("GET", &data("a"), &[("If-None-Match", &etag(&image))])?;
    assert_eq!((known.status, known.cache()), (304, "hit"));
    let other = served.ask("GET", &data("a"), &[("If-None-Match", "\"other\"")])?;
    other.assert_is(200, "hit", &image);
    Ok(())
}

#[test]
fn the_files_of_the_service_belong_to_the_owner_of_the_cache() -> Tested {
    if !rustix::process::geteuid().is_root() {
        skip("only root can give files away");
        return Ok(());
    }
    let temp = TempCache::new("sqlite");
    drop(temp.open());
    let own = temp.path(".image-cache");
    std::os::unix::fs::chown(temp.dir(), Some(4321), Some(1234))?;
    fs::remove_dir_all(&own)?;
    let origin = Glance::with("a", &bytes(8, 1000)).origin();
    let served = Served::on(temp, &origin.url(), &[]);
    served.get(&data("a"))?;
    let files: [PathBuf; 3] = [own.join("http"), own.join("http/.promised"), own.join("http/a")];
    assert!(until(|| files[2].exists()));
    for file in files {
        let made = fs::metadata(&file)?;
        assert_eq!((made.uid(), made.gid()), (4321, 1234), "{}", file.display());
    }
    Ok(())
}
