//! Calls SQL functions that create gigabytes from a few long values, in one step that the host cannot interrupt or measure.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::{statement, stopped};

#[derive(Default)]
struct Swells;

impl image_cache_guest_hostile::Hostile for Swells {
    fn misbehave() -> Result<(), Error> {
        // Small results first: a result that is refused because of its size was created before.
        for small in
            ["json_pretty('[1]')".to_string(), format!("concat({})", vec!["1"; 33].join(", "))]
        {
            let answer = sql::query(&statement(format!("SELECT {small}")));
            assert!(answer.is_err(), "not stopped: {small}");
        }
        // A thousand nested lists, with 30,000 numbers in the innermost one: each is printed on its own line with a thousand
        // levels of indentation.
        let nested = "replace(hex(zeroblob(490)), '0', '[') || '1' || replace(hex(zeroblob(15000)), '0', ',1') \
                      || replace(hex(zeroblob(490)), '0', ']')";
        let indent = "printf('%.*c', 1000, ' ')";
        let pretty = statement(format!("SELECT length(json_pretty({nested}, {indent}))"));
        assert!(sql::query(&pretty).is_err(), "not stopped: lines of json_pretty");
        // Each of these bytes becomes six.
        let control = "replace(hex(zeroblob(16000)), '0', char(1))";
        for function in ["json_array", "concat", "json_object"] {
            let many = vec!["x"; 900].join(", ");
            let text = format!("SELECT length({function}({many})) FROM (SELECT {control} AS x)");
            assert!(
                sql::query(&statement(text)).is_err(),
                "not stopped: 900 values for {function}"
            );
        }
        let rows = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 10000)";
        for function in ["json_group_array(x)", "group_concat(x, x)"] {
            let text = format!("{rows} SELECT {function} FROM (SELECT {control} AS x FROM r)");
            stopped(function, sql::query(&statement(text)), &[Error::TooLarge]);
        }
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Swells);
