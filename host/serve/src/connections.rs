//! The connections of one listener: their maximum number, which of them are idle, and which one is closed for a new one.

use super::client_socket::{ClientSocket, SocketProbe};
use super::timeouts;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;
use tokio::time::timeout;

/// The connections of one listener.
///
/// It bounds them, because each needs descriptors that cached reads need as well. The listener asks it for room before it serves a
/// connection; without room it closes idle connections first. A connection counts until its slot is dropped, also after a
/// panic.
#[derive(Debug, Default)]
pub struct Connections {
    limit: usize,
    open: Mutex<BTreeMap<u64, Arc<Connection>>>,
    last: AtomicU64,
    /// Accepted, but not served yet because there is no room.
    waiting: AtomicUsize,
    closed_idle: AtomicU64,
    changed: Notify,
}

/// The state of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Its first request has not arrived yet.
    New(Instant),
    Busy,
    /// It waits for a further request.
    Idle(Instant),
    /// It was told to close, to make room.
    Closing,
}

/// The state that the parts of a connection share.
#[derive(Debug)]
pub struct Connection {
    phase: Mutex<Phase>,
    socket: SocketProbe,
    /// Whether the client may still be sending a request.
    is_sending: AtomicBool,
    /// Whether the body of the current request has not ended yet.
    has_more_body: AtomicBool,
    has_had_request: AtomicBool,
    close: Notify,
}

/// The slot of a connection; when it is dropped, there is room for another connection.
#[derive(Debug)]
pub struct ConnectionSlot {
    connections: Arc<Connections>,
    number: u64,
    pub connection: Arc<Connection>,
}

/// The numbers of connections, for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    pub limit: u64,
    pub busy: u64,
    pub idle: u64,
    pub waiting: u64,
    pub closed_idle: u64,
}

impl Connections {
    pub fn new(limit: usize) -> Arc<Connections> {
        Arc::new(Connections { limit, ..Connections::default() })
    }

    /// Waits for a slot for one more connection. If there is none, the connection that has been idle longest is closed.
    pub async fn acquire(
        self: &Arc<Self>,
        socket: &ClientSocket,
        has_room: impl Fn() -> bool,
    ) -> ConnectionSlot {
        if let Some(slot) = self.try_acquire(socket, &has_room) {
            return slot;
        }
        let _waiting = WaitingCount::begin(&self.waiting);
        loop {
            self.close_one();
            // Other users of descriptors do not notify us when they close them.
            let _ = timeout(timeouts::ROOM_CHECK_INTERVAL, self.changed.notified()).await;
            if let Some(slot) = self.try_acquire(socket, &has_room) {
                return slot;
            }
        }
    }

    fn try_acquire(
        self: &Arc<Self>,
        socket: &ClientSocket,
        has_room: &impl Fn() -> bool,
    ) -> Option<ConnectionSlot> {
        let mut open = lock(&self.open);
        // At least one connection is served.
        if open.len() >= self.limit || !open.is_empty() && !has_room() {
            return None;
        }
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection {
            phase: Mutex::new(Phase::New(Instant::now())),
            socket: socket.probe(),
            is_sending: AtomicBool::new(false),
            has_more_body: AtomicBool::new(false),
            has_had_request: AtomicBool::new(false),
            close: Notify::new(),
        });
        open.insert(number, Arc::clone(&connection));
        Some(ConnectionSlot { connections: Arc::clone(self), number, connection })
    }

    /// Closes the connection that has been idle longest, or else one without a first request. A connection is not
    /// idle if bytes have arrived that the service has not read yet.
    pub fn close_one(&self) {
        let open = lock(&self.open);
        let since = |connection: &Arc<Connection>| match *lock(&connection.phase) {
            Phase::Idle(since) => Some((0, since)),
            Phase::New(since) if since.elapsed() >= timeouts::FIRST_REQUEST_AT_LIMIT => {
                Some((1, since))
            }
            Phase::New(_) | Phase::Busy | Phase::Closing => None,
        };
        let candidates = open.values().filter_map(|it| Some((since(it)?, it)));
        let mut candidates: Vec<_> = candidates.collect();
        candidates.sort_unstable_by_key(|(since, _)| *since);
        if candidates.iter().any(|(_, connection)| connection.try_close()) {
            self.closed_idle.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Wakes a waiting connection: another one has become idle or has ended.
    fn notify_waiting(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.changed.notify_one();
        }
    }

    /// The numbers of connections.
    pub fn counts(&self) -> ConnectionCounts {
        let open = lock(&self.open);
        let busy = open.values().filter(|it| *lock(&it.phase) == Phase::Busy).count() as u64;
        ConnectionCounts {
            limit: self.limit as u64,
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

    /// Whether the client may still be sending bytes that the service will not read.
    pub fn is_sending(&self) -> bool {
        self.is_sending.load(Ordering::Relaxed)
    }

    /// The header of a request has arrived.
    pub fn begin_request(&self, has_body: bool) {
        self.has_more_body.store(has_body, Ordering::Relaxed);
        self.has_had_request.store(true, Ordering::Relaxed);
        *lock(&self.phase) = Phase::Busy;
    }

    /// The body of the request has ended.
    pub fn end_body(&self) {
        self.has_more_body.store(false, Ordering::Relaxed);
    }

    /// The response has ended.
    fn end_request(&self) {
        if !self.has_more_body.load(Ordering::Relaxed) {
            self.is_sending.store(false, Ordering::Relaxed);
        }
        *lock(&self.phase) = Phase::Idle(Instant::now());
    }

    /// Tells the connection to close; returns false if it is in use.
    fn try_close(&self) -> bool {
        let mut phase = lock(&self.phase);
        let is_in_use = matches!(*phase, Phase::Busy | Phase::Closing);
        if is_in_use || self.socket.has_unread_bytes() {
            return false;
        }
        *phase = Phase::Closing;
        self.close.notify_one();
        true
    }

    /// Whether bytes have arrived that the service has not read yet.
    pub fn has_unread_bytes(&self) -> bool {
        self.socket.has_unread_bytes()
    }

    /// Returns when the connection must close to make room.
    pub async fn closing(&self) {
        self.close.notified().await;
    }

    /// Whether the header of a request has arrived.
    pub fn has_had_request(&self) -> bool {
        self.has_had_request.load(Ordering::Relaxed)
    }
}

impl ConnectionSlot {
    /// The response has ended: the connection waits for the next request.
    pub fn end_request(&self) {
        self.connection.end_request();
        self.connections.notify_waiting();
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        lock(&self.connections.open).remove(&self.number);
        self.connections.notify_waiting();
    }
}

/// Counts a connection while it waits.
struct WaitingCount<'a>(&'a AtomicUsize);

impl<'a> WaitingCount<'a> {
    fn begin(count: &'a AtomicUsize) -> WaitingCount<'a> {
        count.fetch_add(1, Ordering::Relaxed);
        WaitingCount(count)
    }
}

impl Drop for WaitingCount<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::io;
    use tokio::io::{AsyncWriteExt, ReadBuf};
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn a_connection_with_an_unread_request_is_not_idle() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut client = TcpStream::connect(listener.local_addr()?).await?;
        let socket = ClientSocket::new(listener.accept().await?.0);
        let connections = Connections::new(1);
        let slot = connections.acquire(&socket, || true).await;
        slot.connection.begin_request(false);
        slot.end_request();
        client.write_all(b"GET").await?;
        while !slot.connection.has_unread_bytes() {
            tokio::task::yield_now().await;
        }
        connections.close_one();
        assert_eq!(connections.counts().closed_idle, 0);
        let mut bytes = [0; 3];
        poll_fn(|cx| socket.poll_read(cx, &mut ReadBuf::new(&mut bytes))).await?;
        connections.close_one();
        assert_eq!(connections.counts().closed_idle, 1);
        Ok(())
    }
}
