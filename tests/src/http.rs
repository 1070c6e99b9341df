//! The HTTP kit of the tests and benchmarks: origins with scripted responses, a client that sends arbitrary bytes, and a proxy
//! that can delay or close connections. It uses only blocking sockets on loopback.

mod client;
mod glance;
mod message;
mod origin;
mod proxy;

pub use client::{Client, begin, connect, free_address, get, read_to_close, send};
pub use glance::{Glance, GlanceOrigin, data};
pub use message::{Head, Request, Response};
pub use origin::{Origin, Responder, reply, reply_with_file, wait_until_closed, write_head};
pub use proxy::Proxy;
