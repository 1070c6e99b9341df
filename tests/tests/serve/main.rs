//! `image-cache serve`, the real binary, in front of an origin that does as it is told.

mod cache_control;
mod client;
mod hostile;
mod interrupted;
mod origin;
mod parts;
mod plain;
mod served;
mod shared;
mod upstream_connections;
mod validators;
mod withheld;
