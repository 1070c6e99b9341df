//! `image-cache serve`, the real binary, in front of origins with scripted responses: as clients see it, and in `operations` as
//! operators see it.

mod cache_control;
mod confirmed;
mod credentials_in_query;
mod hostile;
mod http_cache_tests;
mod interrupted;
mod odd_headers;
mod operations;
mod overtaken;
mod plain;
mod ranges;
mod recording;
mod shared;
mod sharing;
mod shortage;
mod stored_response;
mod upstream_connections;
mod validators;
mod variants;
mod wait_bounds;
mod waiting;
mod withheld;
