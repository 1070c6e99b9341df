//! The connections to the upstream, which stay open for later requests.

use super::connection::{SendError, UpstreamConnection};
use crate::body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tower_service::Service;

/// The maximum number of connections that stay open for later requests; each uses a descriptor.
const MOST_IDLE: usize = 32;

/// An idle connection is not used after this time, and is closed after at most twice this time.
const IDLE: Duration = Duration::from_secs(90);

/// Connections to one server.
///
/// A request whose connection was closed before it was sent is sent on the next connection. hyper-util's client has a pool too,
/// but it can lose such a request: if a connection ends at the very moment at which a request is given to it, the request stays in
/// the connection's queue, and the client waits for a response that nobody will send. See [`UpstreamConnection::send`].
pub struct Pool {
    server: Uri,
    connector: HttpsConnector<HttpConnector>,
    protocol: http1::Builder,
    idle: Mutex<IdleConnections>,
    /// Wakes a request that waits for a connection when one becomes idle.
    returned: Notify,
}

#[derive(Default)]
struct IdleConnections {
    connections: Vec<Idle>,
    /// Whether a task closes those that are not used.
    are_watched: bool,
}

struct Idle {
    connection: UpstreamConnection,
    since: Instant,
}

impl Pool {
    /// `server` is a URL whose scheme and authority say where to connect.
    pub fn new(
        server: Uri,
        connector: HttpsConnector<HttpConnector>,
        protocol: http1::Builder,
    ) -> Arc<Pool> {
        let (idle, returned) = (Mutex::default(), Notify::new());
        Arc::new(Pool { server, connector, protocol, idle, returned })
    }

    /// Sends a request on an idle connection, or else on the connection that is available first: a new one, or one that becomes
    /// idle. A request of any method that comes back unsent from a connection that was used before is sent on the next one.
    pub async fn send(
        self: &Arc<Self>,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, SendError> {
        loop {
            let connection = self.connection().await?;
            let is_new = connection.is_new();
            match self.send_on(connection, request).await {
                Err(SendError { unsent: Some(unsent), .. }) if !is_new => request = *unsent,
                result => return result,
            }
        }
    }

    /// Sends a request on a new connection.
    pub async fn send_on_new(
        self: &Arc<Self>,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, SendError> {
        let connection = self.connect().await?;
        self.send_on(connection, request).await
    }

    async fn connection(&self) -> Result<UpstreamConnection, SendError> {
        let mut connecting = pin!(self.connect());
        loop {
            // From here on a connection that becomes idle wakes this request.
            let mut returned = pin!(self.returned.notified());
            returned.as_mut().enable();
            if let Some(idle) = self.take() {
                return Ok(idle);
            }
            tokio::select! {
                connected = &mut connecting => {
                    return connected.or_else(|error| self.take().ok_or(error));
                }
                () = returned => {}
            }
        }
    }

    async fn connect(&self) -> Result<UpstreamConnection, SendError> {
        let stream = self.connector.clone().call(self.server.clone()).await;
        UpstreamConnection::open(&self.protocol, stream.map_err(SendError::unreachable)?).await
    }

    async fn send_on(
        self: &Arc<Self>,
        connection: UpstreamConnection,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, SendError> {
        let (response, connection) = connection.send(request).await?;
        match connection {
            Some(connection) if connection.is_ready() => self.put(connection),
            // The rest of the response comes first.
            Some(mut connection) => {
                let pool = Arc::clone(self);
                tokio::spawn(async move {
                    if connection.until_ready().await {
                        pool.put(connection);
                    }
                });
            }
            None => {}
        }
        Ok(response)
    }

    /// The connection that was used last, because the server closes those first that were not used for long.
    fn take(&self) -> Option<UpstreamConnection> {
        let mut idle = self.idle();
        idle.connections.retain(Idle::is_usable);
        idle.connections.pop().map(|idle| idle.connection)
    }

    fn put(self: &Arc<Self>, connection: UpstreamConnection) {
        let mut idle = self.idle();
        idle.connections.retain(Idle::is_usable);
        if idle.connections.len() >= MOST_IDLE {
            return;
        }
        idle.connections.push(Idle { connection, since: Instant::now() });
        self.returned.notify_one();
        if !std::mem::replace(&mut idle.are_watched, true) {
            tokio::spawn(Arc::clone(self).close_unused());
        }
    }

    /// Closes connections that are not used for too long, until none is left.
    async fn close_unused(self: Arc<Self>) {
        loop {
            tokio::time::sleep(IDLE).await;
            let mut idle = self.idle();
            idle.connections.retain(Idle::is_usable);
            if idle.connections.is_empty() {
                idle.are_watched = false;
                return;
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, IdleConnections> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn is_usable(&self) -> bool {
        self.connection.is_open() && self.since.elapsed() < IDLE
    }
}
