//! `image-cache serve`, the real binary, in front of an origin that does as it is told.

mod cache_control;
mod hostile;
mod interrupted;
mod odd_headers;
mod overtaken;
mod plain;
mod ranges;
mod served;
mod shared;
mod sharing;
mod shortage;
mod stored_response;
mod upstream_connections;
mod validators;
mod variants;
mod waiting;
mod withheld;
