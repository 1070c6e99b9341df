//! Measured points, and their table.

use image_cache_tests::measure::{Figure, Row};
use std::fmt::Write;

/// The measured operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Hit,
    List,
    EvictFew,
    Evict,
    Open,
}

impl Operation {
    /// All operations in the order of the table.
    pub const ALL: [Operation; 5] =
        [Operation::Hit, Operation::List, Operation::EvictFew, Operation::Evict, Operation::Open];

    /// The unit of work of the cost.
    pub fn words(self) -> &'static str {
        match self {
            Operation::Hit => "hit",
            Operation::List => "list, a page of 1,000",
            Operation::EvictFew => "evict, each of 1,000",
            Operation::Evict => "evict, each of a tenth",
            Operation::Open => "open, for each image",
        }
    }
}

/// The cost of an operation on a cache of this size.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    pub operation: Operation,
    pub driver: &'static str,
    /// The number of images in the cache.
    pub images: usize,
    /// The cost in µs.
    pub cost: Figure,
}

/// The points of one line, by size.
pub fn line<'a>(points: &'a [Point], operation: Operation, driver: &str) -> Vec<&'a Point> {
    points.iter().filter(|p| p.operation == operation && p.driver == driver).collect()
}

/// Each line with its points, and the ratio of each cost to the previous one.
pub fn table(points: &[Point]) -> String {
    let mut table = String::new();
    for (operation, driver) in lines(points) {
        let _ = write!(table, "{:<32}", format!("{}, {driver}", operation.words()));
        let mut before = None;
        for point in line(points, operation, driver) {
            let growth =
                before.map_or(String::new(), |cost| format!("× {:.2}", point.cost.median / cost));
            let _ =
                write!(table, " | {:>8}: {:>22} µs {growth:<8}", point.images, point.cost.text());
            before = Some(point.cost.median);
        }
        table.push('\n');
    }
    table
}

/// All lines.
pub fn lines(points: &[Point]) -> Vec<(Operation, &'static str)> {
    let mut drivers: Vec<&'static str> = points.iter().map(|point| point.driver).collect();
    drivers.dedup();
    Operation::ALL
        .into_iter()
        .flat_map(|o| drivers.iter().map(move |driver| (o, *driver)).collect::<Vec<_>>())
        .collect()
}

/// The points as rows of the benchmarks' table.
pub fn rows(points: &[Point]) -> Vec<Row> {
    let row = |point: &Point| {
        let what =
            format!("{}, {} images, {}", point.operation.words(), point.images, point.driver);
        Row::of("growth", &what, "µs", Some(point.cost))
    };
    points.iter().map(row).collect()
}
