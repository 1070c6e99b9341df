//! A driver of the tests that misbehaves to order.
