//! Content-MD5, in both forms that servers send.

use hyper::header::HeaderValue;

/// An MD5 in hexadecimal, from a header field that has it in hexadecimal or base64.
pub fn md5_of(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?.trim();
    if text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Some(text.to_ascii_lowercase());
    }
    // 16 bytes are 22 base64 digits and two padding characters.
    let digits = text.strip_suffix("==").filter(|digits| digits.len() == 22)?;
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(16), 0_u32, 0);
    for digit in digits.bytes() {
        (bits, held) = (bits << 6 | u32::from(value(digit)?), held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    Some(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_md5_is_understood_in_both_its_forms() {
        let md5 = |text| md5_of(&HeaderValue::from_static(text));
        let empty = Some("d41d8cd98f00b204e9800998ecf8427e".to_owned());
        assert_eq!(md5("1B2M2Y8AsgTpgAmY7PhCfg=="), empty);
        assert_eq!(md5("D41D8CD98F00B204E9800998ECF8427E"), empty);
        for other in
            ["", "1B2M2Y8AsgTpgAmY7PhCfg", "1B2M2Y8AsgTpgAmY7PhCf===", "1B2M2Y8AsgTpgAmY7PhC!g=="]
        {
            assert_eq!(md5(other), None, "{other}");
        }
    }
}
