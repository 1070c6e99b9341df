//! The connections to the upstream, which stay open for later requests.

use super::connection::{SendError, UpstreamConnection};
use crate::body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tower_service::Service;

/// The maximum number of connections that stay open for later requests; each uses a descriptor.
const MOST_IDLE: usize = 32;

/// How long a connection stays open for later requests.
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
        Arc::new(Pool { server, connector, protocol, idle: Mutex::default() })
    }

    /// Sends a request on an idle connection, or else on a new one.
    pub async fn send(
        self: &Arc<Self>,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, SendError> {
        while let Some(connection) = self.take() {
            match self.send_on(connection, request).await {
                Err(SendError { unsent: Some(unsent), .. }) => request = *unsent,
                result => return result,
            }
        }
        self.send_on_new(request).await
    }

    /// Sends a request on a new connection.
    pub async fn send_on_new(
        self: &Arc<Self>,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, SendError> {
        let io = self.connector.clone().call(self.server.clone()).await;
        let io = io.map_err(SendError::unreachable)?;
        let connection = UpstreamConnection::open(&self.protocol, io).await?;
        self.send_on(connection, request).await
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
