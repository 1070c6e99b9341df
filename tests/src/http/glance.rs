//! An origin that implements the part of the Glance API that the service uses. Tests change its images, and delay them or make
//! them fail.

use super::origin::reply_with_range;
use super::{Origin, Request, reply, write_head};
use crate::monitor::Monitor;
use crate::{digest, md5_hex};
use image_cache::ChecksumAlgorithm;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::TcpStream;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// How often a delayed response checks whether its client has disconnected.
const LOOK: Duration = Duration::from_millis(20);

/// An image of this Glance.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its status.
    pub status: &'static str,
    /// Whether it can be downloaded only while its status is `active`, as for users who are not administrators.
    pub needs_active: bool,
    /// Its data.
    pub bytes: Arc<Vec<u8>>,
    /// The MD5 in Glance's record, which may be wrong.
    pub md5: String,
    /// The algorithm and the value of the further hash in Glance's record, which may be wrong.
    pub os_hash: Option<(&'static str, String)>,
    /// The token that may download it; none means any token.
    pub token: Option<&'static str>,
    /// Whether its store can read ranges.
    pub has_ranges: bool,
    /// While this is true, only the first half of its data is sent.
    pub is_held: bool,
    /// The number of requests for its data that fail first.
    pub failures: u32,
}

#[derive(Debug, Default)]
struct State {
    images: BTreeMap<String, Image>,
    /// The number of images whose data is being sent, and the maximum of that number.
    sending: Vec<String>,
    most: usize,
    /// The number of images whose client disconnected before the end.
    abandoned: Vec<String>,
    is_over: bool,
}

/// The images, and the handling of requests for their data.
#[derive(Clone, Default)]
pub struct Glance {
    shared: Arc<Monitor<State>>,
}

impl Glance {
    /// A Glance with one image.
    pub fn with(id: &str, bytes: &[u8]) -> Glance {
        let glance = Glance::default();
        glance.put(id, bytes);
        glance
    }

    /// Adds or replaces an image.
    pub fn put(&self, id: &str, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref().to_vec();
        let image = Image {
            status: "active",
            needs_active: true,
            md5: md5_hex(&bytes),
            os_hash: Some(("sha512", digest(ChecksumAlgorithm::Sha512, &bytes).to_string())),
            bytes: Arc::new(bytes),
            token: None,
            has_ranges: true,
            is_held: false,
            failures: 0,
        };
        self.shared.change(|state| state.images.insert(id.to_owned(), image).map_or((), drop));
    }

    /// Changes an image.
    pub fn change(&self, id: &str, change: impl FnOnce(&mut Image)) {
        self.shared.change(|state| change(state.images.get_mut(id).expect("the image was added")));
    }

    /// Removes an image.
    pub fn remove(&self, id: &str) {
        self.shared.change(|state| state.images.remove(id).map_or((), drop));
    }

    /// Sends only the first half of its data from now on.
    pub fn hold(&self, id: &str) {
        self.change(id, |image| image.is_held = true);
    }

    /// Sends the rest.
    pub fn release(&self, id: &str) {
        self.change(id, |image| image.is_held = false);
    }

    /// The images whose data is being sent.
    pub fn sending(&self) -> Vec<String> {
        self.shared.state().sending.clone()
    }

    /// The maximum number that were sent at once.
    pub fn most_at_once(&self) -> usize {
        self.shared.state().most
    }

    /// The number of images whose client disconnected before the end.
    pub fn abandoned(&self) -> Vec<String> {
        self.shared.state().abandoned.clone()
    }

    /// An origin with these images.
    pub fn origin(&self) -> Origin {
        let glance = self.clone();
        Origin::new(move |request, output| glance.answer(request, output))
    }

    /// Responds like Glance.
    pub fn answer(&self, request: &Request, output: &mut TcpStream) -> io::Result<()> {
        let target = request.target.replace("%61", "a");
        let Some(rest) = target.strip_prefix("/v2/images/") else {
            return reply(output, "200 OK", &[("X-Other", "yes")], b"something else");
        };
        let (id, is_file) = match rest.strip_suffix("/file") {
            Some(id) => (id, true),
            None => (rest, false),
        };
        let image = self.shared.state().images.get(id).cloned();
        let Some(image) = image else { return reply(output, "404 Not Found", &[], b"no image") };
        match (request.method.as_str(), is_file) {
            ("DELETE", false) => {
                self.remove(id);
                write_head(output, "204 No Content", &[], None)
            }
            ("GET", false) => {
                let (status, md5, size) = (image.status, &image.md5, image.bytes.len());
                let (algorithm, hash) = image.os_hash.clone().unzip();
                let record = serde_json::json!({
                    "id": id, "status": status, "checksum": md5, "size": size,
                    "os_hash_algo": algorithm, "os_hash_value": hash,
                });
                let (record, json) = (record.to_string(), [("Content-Type", "application/json")]);
                reply(output, "200 OK", &json, record.as_bytes())
            }
            ("GET", true) => self.answer_data(request, output, id, &image),
            ("PUT", true) => write_head(output, "204 No Content", &[], None),
            _ => reply(output, "405 Method Not Allowed", &[], b""),
        }
    }

    fn answer_data(
        &self,
        request: &Request,
        output: &mut TcpStream,
        id: &str,
        image: &Image,
    ) -> io::Result<()> {
        if image.needs_active && image.status != "active" {
            return reply(output, "403 Forbidden", &[], b"deactivated");
        }
        if image.token.is_some_and(|token| request.header("x-auth-token") != Some(token)) {
            return reply(output, "403 Forbidden", &[], b"not yours");
        }
        if request.header("range").is_some() && !image.has_ranges {
            return reply(output, "400 Bad Request", &[], b"no ranges");
        }
        if image.failures > 0 {
            self.change(id, |image| image.failures -= 1);
            return reply(output, "503 Service Unavailable", &[], b"not now");
        }
        let headers = [("Content-Type", "application/octet-stream"), ("Content-MD5", &image.md5)];
        reply_with_range(request, output, &headers, &image.bytes, |output, body| {
            self.send(output, id, body)
        })
    }

    /// Sends data, and counts it as being sent.
    fn send(&self, output: &mut TcpStream, id: &str, body: &[u8]) -> io::Result<()> {
        self.shared.change(|state| {
            state.sending.push(id.to_owned());
            state.most = state.most.max(state.sending.len());
        });
        let (first, rest) = body.split_at(body.len() / 2);
        let sent = output
            .write_all(first)
            .and_then(|()| self.wait_while_held(output, id))
            .and_then(|()| output.write_all(rest));
        self.shared.change(|state| {
            if let Some(at) = state.sending.iter().position(|sending| sending == id) {
                state.sending.remove(at);
            }
            if sent.is_err() {
                state.abandoned.push(id.to_owned());
            }
        });
        sent
    }

    /// Returns an error if the client disconnects meanwhile.
    fn wait_while_held(&self, output: &TcpStream, id: &str) -> io::Result<()> {
        loop {
            let state = self.shared.state();
            if state.is_over || !state.images.get(id).is_some_and(|image| image.is_held) {
                return Ok(());
            }
            self.shared.wait_for(state, LOOK);
            output.set_nonblocking(true)?;
            let has_left = matches!(output.peek(&mut [0]), Ok(0));
            output.set_nonblocking(false)?;
            if has_left {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
    }
}

/// A Glance with its origin. Delayed responses end when it is dropped.
pub struct GlanceOrigin {
    glance: Glance,
    origin: Origin,
}

impl GlanceOrigin {
    /// A Glance without images.
    pub fn start() -> GlanceOrigin {
        let glance = Glance::default();
        GlanceOrigin { origin: glance.origin(), glance }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.origin.url()
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.origin.requests()
    }

    /// The images whose data was requested, in this order.
    pub fn fetched(&self) -> Vec<String> {
        let requests = self.requests();
        let id = |it: &Request| {
            Some(it.target.strip_prefix("/v2/images/")?.strip_suffix("/file")?.to_owned())
        };
        requests.iter().filter_map(id).collect()
    }
}

impl Deref for GlanceOrigin {
    type Target = Glance;

    fn deref(&self) -> &Glance {
        &self.glance
    }
}

impl Drop for GlanceOrigin {
    fn drop(&mut self) {
        self.glance.shared.change(|state| state.is_over = true);
    }
}

/// The path of an image's data.
pub fn data(id: &str) -> String {
    format!("/v2/images/{id}/file")
}
