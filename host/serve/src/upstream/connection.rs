//! One connection to the upstream, for one request at a time.

use crate::body::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::rt::{Read, Write};
use hyper::{Request, Response};
use std::error::Error;
use tokio::task::JoinHandle;

/// A connection whose requests are sent by a task of its own.
pub struct UpstreamConnection {
    requests: SendRequest<Body>,
    task: JoinHandle<()>,
    is_new: bool,
}

/// Why a request has no response.
#[derive(Debug)]
pub struct SendError {
    pub cause: Box<dyn Error + Send + Sync>,
    /// Whether there was no connection.
    pub is_unreachable: bool,
    /// The request, if not a byte of it was sent.
    pub unsent: Option<Box<Request<Body>>>,
}

impl UpstreamConnection {
    /// Speaks HTTP on a stream.
    pub async fn open(
        protocol: &http1::Builder,
        stream: impl Read + Write + Unpin + Send + 'static,
    ) -> Result<UpstreamConnection, SendError> {
        let (requests, connection) = protocol.handshake(stream).await?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the upstream ended");
            }
        });
        Ok(UpstreamConnection { requests, task, is_new: true })
    }

    /// Sends a request. Also returns the connection, unless it has ended.
    ///
    /// The task may end at the very moment at which the request is put into its queue: tokio's `mpsc` channel then keeps the
    /// request until the sender is dropped. So the sender is dropped when the task has ended, and the request comes back.
    pub async fn send(
        mut self,
        request: Request<Body>,
    ) -> Result<(Response<Incoming>, Option<UpstreamConnection>), SendError> {
        let mut response = std::pin::pin!(self.requests.try_send_request(request));
        tokio::select! {
            biased;
            response = &mut response => {
                let response = response?;
                self.is_new = false;
                Ok((response, Some(self)))
            }
            _ = &mut self.task => {
                drop(self.requests);
                Ok((response.await?, None))
            }
        }
    }

    /// Whether it has served no request yet.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether the next request can be sent.
    pub fn is_ready(&self) -> bool {
        self.requests.is_ready()
    }

    /// Waits until the next request can be sent; false if the connection ended before.
    pub async fn until_ready(&mut self) -> bool {
        self.requests.ready().await.is_ok()
    }

    /// Whether neither side is known to have closed it.
    pub fn is_open(&self) -> bool {
        !self.requests.is_closed()
    }
}

impl SendError {
    /// There is no connection.
    pub fn unreachable(cause: Box<dyn Error + Send + Sync>) -> SendError {
        SendError { cause, is_unreachable: true, unsent: None }
    }
}

impl From<hyper::Error> for SendError {
    fn from(error: hyper::Error) -> SendError {
        SendError { cause: error.into(), is_unreachable: false, unsent: None }
    }
}

impl From<TrySendError<Request<Body>>> for SendError {
    fn from(mut error: TrySendError<Request<Body>>) -> SendError {
        let unsent = error.take_message().map(Box::new);
        SendError { cause: error.into_error().into(), is_unreachable: false, unsent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body;
    use hyper_util::rt::TokioIo;
    use std::time::Duration;

    /// Threads that send requests at the same time, more than processors: one that is interrupted in the middle of sending is
    /// what this test needs.
    const SENDERS: usize = 8;

    /// Rounds of each thread; without the care of `send`, some request of them waits for ever.
    const ROUNDS: usize = 10_000;

    #[test]
    fn a_request_comes_back_if_the_server_closes_the_connection_at_the_same_moment() {
        let send = || {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = runtime.worker_threads(2).enable_time().build().expect("a runtime");
            runtime.block_on(send_to_closing_servers())
        };
        let unsent: usize = std::thread::scope(|scope| {
            let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(send)).collect();
            senders.into_iter().map(|it| it.join().expect("none waits for ever")).sum()
        });
        assert!(unsent > 0, "the servers closed every connection too late");
    }

    /// Returns how many requests came back unsent.
    async fn send_to_closing_servers() -> usize {
        let (protocol, mut unsent) = (http1::Builder::new(), 0);
        for round in 0..ROUNDS {
            let (client, server) = tokio::io::duplex(1024);
            let connection = UpstreamConnection::open(&protocol, TokioIo::new(client));
            let mut connection = connection.await.expect("it is open");
            assert!(connection.until_ready().await);
            let closing = tokio::spawn(async move { drop(server) });
            for _ in 0..round % 64 {
                std::hint::spin_loop();
            }
            let sending = connection.send(Request::new(body::full("five!")));
            let sent = tokio::time::timeout(Duration::from_secs(10), sending).await;
            match sent {
                Ok(Err(error)) => unsent += usize::from(error.unsent.is_some()),
                Ok(Ok(_)) => panic!("round {round}: nobody sent a response"),
                Err(_) => panic!("round {round}: it still waits"),
            }
            closing.await.expect("it does not panic");
        }
        unsent
    }
}
