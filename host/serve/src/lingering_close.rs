//! A lingering close: the service has shut down its half of a connection, and reads until the client has finished.

use super::client_socket::ClientSocket;
use super::timeouts;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::ReadBuf;
use tokio::time::{Instant, Sleep, sleep_until};

/// Reads and discards what a client is still sending, within limits.
#[derive(Debug)]
pub struct LingeringClose {
    left: u64,
    until: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl LingeringClose {
    pub fn new() -> LingeringClose {
        let until = Instant::now() + timeouts::LINGER;
        let sleep = Box::pin(sleep_until(until.min(Instant::now() + timeouts::LINGER_SILENT)));
        LingeringClose { left: timeouts::LINGER_BYTES, until, sleep }
    }

    /// Returns when the client has finished, sends nothing for too long, or has reached a limit.
    pub fn poll_end(&mut self, cx: &mut Context<'_>, socket: &ClientSocket) -> Poll<()> {
        let mut bytes = [0; 16 * 1024];
        // Yields to other tasks from time to time.
        for _ in 0..64 {
            let mut buf = ReadBuf::new(&mut bytes);
            match socket.poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    self.left = self.left.saturating_sub(buf.filled().len() as u64);
                    if self.left == 0 || Instant::now() >= self.until {
                        return Poll::Ready(());
                    }
                    let silent = Instant::now() + timeouts::LINGER_SILENT;
                    self.sleep.as_mut().reset(self.until.min(silent));
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.sleep.as_mut().poll(cx),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
