//! A plot of miss ratios by the size of the cache, as an SVG.

use bytesize::ByteSize;
use plotters::prelude::*;
use std::error::Error;

/// The miss ratios of one policy.
#[derive(Debug, Clone)]
pub struct Curve {
    /// The name in the legend.
    pub name: String,
    /// Whether it is a reference: drawn thinner.
    pub is_reference: bool,
    /// The size of the cache in bytes, and the miss ratio from 0 to 1, by ascending size.
    pub points: Vec<(u64, f64)>,
}

/// Width and height in pixels.
const SIZE: (u32, u32) = (900, 540);

/// Draws curves; the size of the cache is on a logarithmic scale. Returns the text of an SVG file.
///
/// # Errors
/// If there is no point.
pub fn plot(title: &str, curves: &[Curve]) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    draw(&mut svg, title, curves).map_err(|error| error.to_string())?;
    Ok(svg)
}

fn draw(svg: &mut String, title: &str, curves: &[Curve]) -> Result<(), Box<dyn Error>> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let sizes = points().map(|(size, _)| *size as f64);
    let (least, most) = sizes.fold((f64::MAX, 0.0f64), |(a, b), size| (a.min(size), b.max(size)));
    let highest = points().map(|(_, miss)| *miss).fold(0.0, f64::max);
    if points().next().is_none() {
        return Err("there is nothing to plot".into());
    }
    let key_points: Vec<f64> = points().map(|(size, _)| *size as f64).collect();
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(
            (least * 0.95..most * 1.05).log_scale().with_key_points(key_points),
            0.0..(highest * 1.05).max(0.01),
        )?;
    chart
        .configure_mesh()
        .x_desc("size of the cache")
        .x_label_formatter(&|size| ByteSize::b(*size as u64).display().iec().to_string())
        .y_desc("miss ratio")
        .draw()?;
    for (number, curve) in curves.iter().enumerate() {
        let color = Palette99::pick(number).to_rgba();
        let width = if curve.is_reference { 1 } else { 3 };
        let style = color.stroke_width(width);
        let points: Vec<(f64, f64)> =
            curve.points.iter().map(|(size, miss)| (*size as f64, *miss)).collect();
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style))?
            .label(curve.name.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        chart.draw_series(points.into_iter().map(|at| Circle::new(at, 3, color.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}
