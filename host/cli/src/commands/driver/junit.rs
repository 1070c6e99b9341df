//! A test suite in JUnit's XML, for CI servers.

use crate::output::printable;
use std::fmt::Write;
use std::time::Duration;

/// A suite.
pub struct Suite<'a> {
    pub name: &'a str,
    pub time: Duration,
    pub cases: Vec<TestCase<'a>>,
}

/// One test; if it failed, the reason in one line and in full.
pub struct TestCase<'a> {
    pub name: &'a str,
    pub time: Duration,
    pub failure: Option<(String, String)>,
}

/// The suite as a separate document.
pub fn document(suite: &Suite<'_>) -> String {
    let failed = suite.cases.iter().filter(|case| case.failure.is_some()).count();
    let name = escaped(suite.name);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n\
         <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"0\" time=\"{:.3}\">\n",
        suite.cases.len(),
        suite.time.as_secs_f64()
    );
    for case in &suite.cases {
        // Writing into a string cannot fail.
        let _ = write!(
            text,
            "<testcase classname=\"{name}\" name=\"{}\" time=\"{:.3}\"",
            escaped(case.name),
            case.time.as_secs_f64()
        );
        text.push_str(&match &case.failure {
            None => "/>\n".to_owned(),
            Some((line, all)) => format!(
                "><failure message=\"{}\">{}</failure></testcase>\n",
                escaped(line),
                escaped(all)
            ),
        });
    }
    text + "</testsuite>\n</testsuites>\n"
}

/// Escapes a text for XML; characters that XML does not allow are escaped as in Rust.
fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\n' => xml.push_str("&#10;"),
            '\u{fffe}' | '\u{ffff}' => xml.extend(c.escape_default()),
            c => xml.push(c),
        }
    }
    xml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_s_text_is_escaped() {
        let failure =
            ("a < b & \"c\"".to_owned(), "]]></failure>\u{1b}[2J\nnext\0\u{ffff}".to_owned());
        let case =
            TestCase { name: "a_case", time: Duration::from_millis(1500), failure: Some(failure) };
        let text = document(&Suite { name: "x\"><y", time: Duration::ZERO, cases: vec![case] });
        assert!(
            text.contains("<testsuite name=\"x&quot;&gt;&lt;y\" tests=\"1\" failures=\"1\""),
            "{text}"
        );
        assert!(text.contains("name=\"a_case\" time=\"1.500\""), "{text}");
        assert!(text.contains("message=\"a &lt; b &amp; &quot;c&quot;\""), "{text}");
        assert!(
            text.contains("]]&gt;&lt;/failure&gt;\\u{1b}[2J&#10;next\\u{0}\\u{ffff}</failure>"),
            "{text}"
        );
    }

    #[test]
    fn a_case_that_passed_is_one_element() {
        let case = TestCase { name: "fine", time: Duration::ZERO, failure: None };
        let text = document(&Suite { name: "d", time: Duration::ZERO, cases: vec![case] });
        assert!(
            text.contains("<testcase classname=\"d\" name=\"fine\" time=\"0.000\"/>\n"),
            "{text}"
        );
    }
}
