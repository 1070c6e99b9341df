//! The connections of one listener: how many there may be, which of them are idle, and who makes room for the next one.

use super::timeouts;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;
use tokio::time::timeout;

/// The connections of one listener.
#[derive(Debug)]
pub struct Connections {
    most: usize,
    open: Mutex<BTreeMap<u64, Arc<Connection>>>,
    last: AtomicU64,
    /// Accepted, but not served yet: there is no room.
    waiting: AtomicUsize,
    closed_idle: AtomicU64,
    changed: Notify,
}

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Its first request has not come yet.
    New(Instant),
    Busy,
    /// It timeouts for a further request.
    Idle(Instant),
    /// It was told to make room.
    Closing,
}

/// What the parts of a connection know of each other.
#[derive(Debug)]
pub struct Connection {
    phase: Mutex<Phase>,
    /// Whether the client may be in the middle of a request.
    is_sending: AtomicBool,
    /// Whether the body of the request that is answered has not come to its end.
    has_more_body: AtomicBool,
    has_had_request: AtomicBool,
    close: Notify,
}

/// The place of a connection among all; dropped, it makes room.
#[derive(Debug)]
pub struct Place {
    connections: Arc<Connections>,
    number: u64,
    pub connection: Arc<Connection>,
}

/// How many connections there are, for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Numbers {
    pub limit: u64,
    pub busy: u64,
    pub idle: u64,
    pub waiting: u64,
    pub closed_idle: u64,
}

impl Connections {
    pub fn new(most: usize) -> Arc<Connections> {
        Arc::new(Connections {
            most,
            open: Mutex::default(),
            last: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            closed_idle: AtomicU64::new(0),
            changed: Notify::new(),
        })
    }

    /// A place for one more, once there is room. Where there is none, whoever is idle for longest goes.
    pub async fn place(self: &Arc<Self>, has_room: impl Fn() -> bool) -> Place {
        if let Some(place) = self.take(&has_room) {
            return place;
        }
        let _waiting = Waiting::begin(&self.waiting);
        loop {
            self.close_one();
            // What else holds descriptors does not say when it lets them go.
            let _ = timeout(timeouts::ROOM_CHECK_INTERVAL, self.changed.notified()).await;
            if let Some(place) = self.take(&has_room) {
                return place;
            }
        }
    }

    fn take(self: &Arc<Self>, has_room: &impl Fn() -> bool) -> Option<Place> {
        let mut open = lock(&self.open);
        // One is served in any case.
        if open.len() >= self.most || !open.is_empty() && !has_room() {
            return None;
        }
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection {
            phase: Mutex::new(Phase::New(Instant::now())),
            is_sending: AtomicBool::new(false),
            has_more_body: AtomicBool::new(false),
            has_had_request: AtomicBool::new(false),
            close: Notify::new(),
        });
        open.insert(number, Arc::clone(&connection));
        Some(Place { connections: Arc::clone(self), number, connection })
    }

    /// Has the connection closed that is idle for longest; else one whose first request does not come.
    pub fn close_one(&self) {
        let open = lock(&self.open);
        let since = |connection: &Arc<Connection>| match *lock(&connection.phase) {
            Phase::Idle(since) => Some((0, since)),
            Phase::New(since) if since.elapsed() >= timeouts::FIRST_REQUEST_AT_LIMIT => {
                Some((1, since))
            }
            Phase::New(_) | Phase::Busy | Phase::Closing => None,
        };
        let oldest = open.values().filter_map(|connection| Some((since(connection)?, connection)));
        if let Some((_, connection)) = oldest.min_by_key(|(since, _)| *since)
            && connection.make_close()
        {
            self.closed_idle.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A connection has become idle, or has ended.
    fn has_changed(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.changed.notify_one();
        }
    }

    /// How many there are.
    pub fn numbers(&self) -> Numbers {
        let open = lock(&self.open);
        let busy = open.values().filter(|it| *lock(&it.phase) == Phase::Busy).count() as u64;
        Numbers {
            limit: self.most as u64,
            busy,
            idle: open.len() as u64 - busy,
            waiting: self.waiting.load(Ordering::Relaxed) as u64,
            closed_idle: self.closed_idle.load(Ordering::Relaxed),
        }
    }
}

impl Connection {
    /// The client has sent bytes.
    pub fn note_received(&self) {
        self.is_sending.store(true, Ordering::Relaxed);
    }

    /// Whether the client may still be sending what nobody will read.
    pub fn is_sending(&self) -> bool {
        self.is_sending.load(Ordering::Relaxed)
    }

    /// The head of a request has come.
    pub fn begin_request(&self, has_body: bool) {
        self.has_more_body.store(has_body, Ordering::Relaxed);
        self.has_had_request.store(true, Ordering::Relaxed);
        *lock(&self.phase) = Phase::Busy;
    }

    /// The body of the request has come to its end.
    pub fn end_body(&self) {
        self.has_more_body.store(false, Ordering::Relaxed);
    }

    /// The request was answered.
    fn end_request(&self) {
        if !self.has_more_body.load(Ordering::Relaxed) {
            self.is_sending.store(false, Ordering::Relaxed);
        }
        *lock(&self.phase) = Phase::Idle(Instant::now());
    }

    /// Tells it to make room; false where it is in use again.
    fn make_close(&self) -> bool {
        let mut phase = lock(&self.phase);
        let is_in_use = matches!(*phase, Phase::Busy | Phase::Closing);
        if !is_in_use {
            *phase = Phase::Closing;
            self.close.notify_one();
        }
        !is_in_use
    }

    /// Returns when it is to make room.
    pub async fn is_to_close(&self) {
        self.close.notified().await;
    }

    /// Whether the head of a request never came.
    pub fn has_had_no_request(&self) -> bool {
        !self.has_had_request.load(Ordering::Relaxed)
    }
}

impl Place {
    /// The request was answered: it timeouts for the next one.
    pub fn end_request(&self) {
        self.connection.end_request();
        self.connections.has_changed();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.connections.open).remove(&self.number);
        self.connections.has_changed();
    }
}

/// Counted as long as it timeouts.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Waiting<'a> {
        count.fetch_add(1, Ordering::Relaxed);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
