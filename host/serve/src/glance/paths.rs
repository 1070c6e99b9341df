//! Which requests of Glance's API are about the data of which image.

use hyper::Method;
use image_cache::ImageId;
use percent_encoding::percent_decode_str;

/// The image whose data has this path; only if the path is not encoded.
pub fn image(path: &str) -> Option<&str> {
    let id = path.strip_prefix("/v2/images/")?.strip_suffix("/file")?;
    plain_id(id)
}

/// An id in which no character is encoded or has a meaning in paths.
fn plain_id(id: &str) -> Option<&str> {
    let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    (is_plain && id.parse::<ImageId>().is_ok()).then_some(id)
}

/// The image that this request changes or removes if it succeeds, in any encoding of its path.
pub fn withdrawn(method: &Method, path: &str) -> Option<String> {
    let path = percent_decode_str(path).decode_utf8().ok()?;
    let rest = path.trim_end_matches('/').strip_prefix("/v2/images/")?;
    let id = plain_id(match *method {
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE => return None,
        Method::DELETE if !rest.contains('/') => rest,
        Method::POST if rest.ends_with("/actions/deactivate") => {
            rest.strip_suffix("/actions/deactivate")?
        }
        // Any other method may have changed its target: the data.
        _ => rest.strip_suffix("/file")?,
    });
    id.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_unencoded_path_of_an_images_data_is_recognised() {
        let id = "5b1a6e0c-4f6e-4a44-9f0e-6d2f7c1f0b9a";
        assert_eq!(image(&format!("/v2/images/{id}/file")), Some(id));
        for path in [
            "/v2/images//file",
            "/v2/images/../file",
            "/v2/images/a/b/file",
            "/v2/images/a%2Fb/file",
            "/v2/images/%61/file",
            "/v2//images/a/file",
            "/v2/images/a/file/",
            "/v1/images/a/file",
            "/v2/images/a",
            "//v2/images/a/file",
            "/v2/images/.a/file",
            "/v2/images/queue/file",
            "/v2/images/cache.db/file",
            "/v2/images/..%2f..%2fetc/file",
            "/v2/images/a;b/file",
        ] {
            assert_eq!(image(path), None, "{path}");
        }
    }

    #[test]
    fn requests_that_withdraw_an_image_are_recognised() {
        let a = Some("a".to_owned());
        for path in ["/v2/images/a", "/v2/images/%61", "/%762/images/a/"] {
            assert_eq!(withdrawn(&Method::DELETE, path), a, "{path}");
        }
        for method in [Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
            assert_eq!(withdrawn(&method, "/v2/images/a/file"), a, "{method}");
        }
        assert_eq!(withdrawn(&Method::POST, "/v2/images/a/actions/deactivate"), a);
        assert_eq!(withdrawn(&Method::DELETE, "/v2/images/a/tags/b"), None);
        assert_eq!(withdrawn(&Method::GET, "/v2/images/a"), None);
    }
}
