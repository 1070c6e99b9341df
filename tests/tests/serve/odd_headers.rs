//! Responses with invalid headers that browsers and curl accept nevertheless.

use image_cache_tests::Tested;
use image_cache_tests::http::Origin;
use image_cache_tests::serving::Served;
use std::fmt::Write as _;
use std::io::Write;

#[test]
fn an_upstream_s_header_that_browsers_accept_is_no_502() -> Tested {
    let many = (0..300).fold(String::new(), |mut many, n| {
        let _ = write!(many, "X-{n}: 1\r\n");
        many
    });
    let long = format!("X-Long: {}\r\n", "x".repeat(100_000));
    let heads: [&[u8]; 9] = [
        b"X-Latin: caf\xe9\r\n",
        b"X-Utf8: caf\xc3\xa9\r\n",
        b"X-Space : 1\r\n",
        b"X-Folded: 1\r\n  2\r\n",
        b"no colon at all\r\n",
        b"X Name: with a space\r\n",
        b"X-Bare: 1\nX-Other: 2\n",
        many.as_bytes(),
        long.as_bytes(),
    ];
    for odd in heads {
        let (head, words) = (odd.to_vec(), String::from_utf8_lossy(&odd[..odd.len().min(40)]));
        let origin = Origin::new(move |_, output| {
            output.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n")?;
            output.write_all(&head)?;
            output.write_all(b"\r\nfine")
        });
        let served = Served::before(&origin.url(), &["--profile", "plain"]);
        let mut client = served.client();
        client.begin("GET", "/x", &[])?;
        // Not as text, because a value may have any encoding.
        let status = client.take(12)?;
        assert_eq!(String::from_utf8_lossy(&status), "HTTP/1.1 200", "{words:?}");
    }
    Ok(())
}
