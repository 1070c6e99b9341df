//! The plot: cost against size, both logarithmic, with a line for each operation and driver.

use super::point::{Operation, Point, line, lines};
use image_cache_tests::Tested;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{
    FontTransform,
    text_anchor::{HPos, Pos, VPos},
};
use std::path::Path;

const SIZE: (u32, u32) = (960, 560);

/// The colour of text and axes. The background is white, so that they are readable on a dark page too.
const INK: RGBColor = RGBColor(40, 44, 52);

/// Lengths in a dashed line.
const DASH: (i32, i32) = (7, 5);

/// The data of the plot.
pub struct Plot<'a> {
    points: &'a [Point],
}

impl<'a> Plot<'a> {
    pub fn of(points: &'a [Point]) -> Plot<'a> {
        Plot { points }
    }

    /// The smallest and the largest size; the powers of ten around all costs.
    fn bounds(&self) -> (f64, f64, f64, f64) {
        let sizes = self.points.iter().map(|point| point.images as f64);
        let (from, to) = sizes.fold((f64::MAX, 0.0_f64), |(a, b), size| (a.min(size), b.max(size)));
        let costs = self.points.iter().map(|point| point.cost.median);
        let (low, high) =
            costs.fold((f64::MAX, 0.0_f64), |(a, b), cost| (a.min(cost), b.max(cost)));
        let (low, high) = (10f64.powf(low.log10().floor()), 10f64.powf(high.log10().ceil()));
        (from, to, low, high)
    }

    /// Writes the plot as SVG.
    pub fn draw(&self, file: &Path) -> Tested {
        let root = SVGBackend::new(file, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (from, to, low, high) = self.bounds();
        let mut chart = ChartBuilder::on(&root)
            .caption(
                "What an operation costs as the cache grows",
                ("sans-serif", 20).into_font().color(&INK),
            )
            .margin(12)
            .margin_right(220)
            .x_label_area_size(46)
            .y_label_area_size(76)
            .build_cartesian_2d((from..to).log_scale(), (low..high).log_scale())?;
        chart
            .configure_mesh()
            .bold_line_style(INK.mix(0.16))
            .light_line_style(INK.mix(0.05))
            .axis_style(INK)
            .label_style(("sans-serif", 14).into_font().color(&INK))
            .axis_desc_style(("sans-serif", 15).into_font().color(&INK))
            .x_desc("images in the cache")
            .y_desc("µs (median)")
            .x_label_formatter(&|size| count(*size))
            .y_label_formatter(&|cost| count(*cost))
            .draw()?;
        let mut ends = Vec::new();
        for (operation, driver) in lines(self.points) {
            let (colour, is_dashed) = (colour(operation), driver == "xattr");
            let line: Vec<(f64, f64)> = line(self.points, operation, driver)
                .iter()
                .map(|p| (p.images as f64, p.cost.median))
                .collect();
            let style = colour.stroke_width(2);
            match is_dashed {
                true => chart
                    .draw_series(DashedLineSeries::new(
                        line.clone(),
                        DASH.0 as u32,
                        DASH.1 as u32,
                        style,
                    ))
                    .map(drop)?,
                false => chart.draw_series(LineSeries::new(line.clone(), style)).map(drop)?,
            }
            chart.draw_series(line.iter().map(|at| Circle::new(*at, 3, colour.filled())))?;
            if let Some(end) = line.last() {
                let (_, y) = chart.backend_coord(end);
                ends.push((y, format!("{}, {driver}", operation.words()), colour));
            }
        }
        let (right, _) = chart.backend_coord(&(to, low));
        label(&root, right + 10, ends)?;
        root.present()?;
        Ok(())
    }
}

fn label(
    root: &DrawingArea<SVGBackend<'_>, Shift>,
    x: i32,
    ends: Vec<(i32, String, RGBColor)>,
) -> Tested {
    for (y, words, colour) in apart(ends) {
        let style = ("sans-serif", 14).into_font().transform(FontTransform::None).color(&colour);
        root.draw(&Text::new(words, (x, y), style.pos(Pos::new(HPos::Left, VPos::Center))))?;
    }
    Ok(())
}

/// Labels at the ends of their lines, moved if they would overlap.
fn apart(mut ends: Vec<(i32, String, RGBColor)>) -> Vec<(i32, String, RGBColor)> {
    const LINE: i32 = 18;
    ends.sort_by_key(|(y, ..)| *y);
    for n in 1..ends.len() {
        ends[n].0 = ends[n].0.max(ends[n - 1].0 + LINE);
    }
    ends
}

fn colour(operation: Operation) -> RGBColor {
    match operation {
        Operation::Hit => RGBColor(0, 114, 178),
        Operation::List => RGBColor(213, 94, 0),
        Operation::EvictFew => RGBColor(110, 100, 20),
        Operation::Evict => RGBColor(0, 128, 96),
        Operation::Open => RGBColor(170, 70, 140),
    }
}

/// A number with separators for thousands.
fn count(value: f64) -> String {
    if value < 1.0 {
        return format!("{value}");
    }
    let digits = format!("{value:.0}");
    let parts: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|part| std::str::from_utf8(part).ok())
        .collect();
    parts.join(",")
}
