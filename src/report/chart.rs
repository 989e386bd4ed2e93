//! Charts of daily costs: blocks for a terminal, SVG for a page.

use super::units::money;
use crate::{
    error::{Error, Result},
    insights::course::ChartDay,
};

const HEIGHT: usize = 6;
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The same for days to come, which are shaded.
const SHADE: char = '░';

/// A column for each day from 0 to the greatest cost, days that were flagged marked below; the newest days where not all
/// fit into `width`.
pub(super) fn terminal(days: &[ChartDay], currency: &str, width: Option<usize>) -> String {
    let plain: Vec<ChartDay> = days.iter().map(|day| ChartDay { expected: None, ..*day }).collect();
    terminal_with_days_to_come(&plain, currency, width)
}

/// The same, with days to come: those without a cost have what is expected, shaded.
pub(super) fn terminal_with_days_to_come(days: &[ChartDay], currency: &str, width: Option<usize>) -> String {
    let to_come = |day: &ChartDay| day.expected.filter(|_| day.cost == 0.0);
    let height = |day: &ChartDay| to_come(day).unwrap_or(day.cost);
    let greatest = days.iter().map(height).fold(0.0, f64::max);
    let top = money(greatest, currency);
    let margin = top.chars().count() + 1;
    let room = width.map_or(days.len(), |width| width.saturating_sub(margin).max(10));
    let days = &days[days.len().saturating_sub(room)..];
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return String::new() };
    if greatest <= 0.0 {
        return String::new();
    }
    let mut text = String::new();
    for row in (0..HEIGHT).rev() {
        let label = if row + 1 == HEIGHT { top.as_str() } else { "" };
        text += &format!("{label:>width$} ", width = margin - 1);
        for day in days {
            let level = (height(day).max(0.0) / greatest * (HEIGHT * 8) as f64).round() as usize;
            let block = EIGHTHS[level.saturating_sub(row * 8).min(8)];
            text.push(if to_come(day).is_some() && block == '█' { SHADE } else { block });
        }
        text = text.trim_end().to_owned() + "\n";
    }
    let marks: String = days.iter().map(|day| if day.flagged { '^' } else { ' ' }).collect();
    if days.iter().any(|day| day.flagged) {
        text += &format!("{:margin$}{}\n", "", marks.trim_end());
    }
    let (mut from, to) = (first.date.to_string(), last.date.format("%m-%d").to_string());
    if from.len() + to.len() >= days.len() {
        from.clear();
    }
    let gap = days.len().saturating_sub(from.len() + to.len());
    text + &format!("{:margin$}{from}{:gap$}{to}\n", "", "")
}

/// What an SVG chart shows.
pub(super) struct Svg<'a> {
    pub days: &'a [ChartDay],
    pub currency: &'a str,
    pub width: u32,
    pub height: u32,
}

impl Svg<'_> {
    /// The chart as an `<svg>` element: cost as an area, what was expected as a line, flagged days as dots.
    ///
    /// # Errors
    /// When the charting library refuses, which is a bug.
    pub(super) fn render(&self) -> Result<String> {
        use plotters::prelude::*;
        let failed = |e: &dyn std::fmt::Display| Error::bug("a chart cannot be drawn").cause(e.to_string());
        let (Some(first), Some(last)) = (self.days.first(), self.days.last()) else { return Ok(String::new()) };
        let expected = self.days.iter().filter_map(|day| day.expected);
        let greatest = self.days.iter().map(|day| day.cost).chain(expected).fold(0.01, f64::max) * 1.05;
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, (self.width, self.height)).into_drawing_area();
            let days = (last.date - first.date).num_days().max(1);
            let mut chart = ChartBuilder::on(&root)
                .margin(6)
                .x_label_area_size(24)
                .y_label_area_size(72)
                .build_cartesian_2d(0..days, 0.0..greatest)
                .map_err(|e| failed(&e))?;
            let at = |day: &ChartDay| (day.date - first.date).num_days();
            chart
                .configure_mesh()
                .disable_x_mesh()
                .light_line_style(TRANSPARENT)
                .bold_line_style(RGBColor(225, 228, 232))
                .axis_style(RGBColor(160, 168, 176))
                .x_labels(6)
                .y_labels(4)
                .x_label_formatter(&|day| {
                    (first.date + chrono::Days::new((*day).max(0) as u64)).format("%b %d").to_string()
                })
                .y_label_formatter(&|cost| money(*cost, self.currency))
                .draw()
                .map_err(|e| failed(&e))?;
            let cost =
                AreaSeries::new(self.days.iter().map(|day| (at(day), day.cost)), 0.0, RGBColor(66, 120, 190).mix(0.25));
            chart.draw_series(cost.border_style(RGBColor(66, 120, 190))).map_err(|e| failed(&e))?;
            let expected = self.days.iter().filter_map(|day| Some((at(day), day.expected?)));
            chart
                .draw_series(LineSeries::new(expected, RGBColor(120, 130, 140).stroke_width(1)))
                .map_err(|e| failed(&e))?;
            let flagged = self.days.iter().filter(|day| day.flagged);
            let dots = flagged.map(|day| Circle::new((at(day), day.cost), 3, RGBColor(200, 60, 40).filled()));
            chart.draw_series(dots).map_err(|e| failed(&e))?;
            root.present().map_err(|e| failed(&e))?;
        }
        Ok(svg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(date: u32, cost: f64, flagged: bool) -> ChartDay {
        let date = chrono::NaiveDate::from_ymd_opt(2026, 11, date).expect("valid");
        ChartDay { date, cost, expected: Some(10.0), flagged }
    }

    #[test]
    fn a_terminal_chart_marks_flagged_days() {
        let days: Vec<ChartDay> = (1..=20).map(|at| day(at, if at == 19 { 48.0 } else { 16.0 }, at == 19)).collect();
        let shown = terminal(&days, "USD", None);
        let expected = "\
$48.00                   █
                         █
                         █
                         █
       ████████████████████
       ████████████████████
                         ^
       2026-11-01     11-20
";
        assert_eq!(shown, expected);
        assert!(terminal(&days, "USD", Some(20)).lines().all(|line| line.chars().count() <= 20), "{shown}");
        assert_eq!(terminal(&[], "USD", None), "");
    }

    #[test]
    fn an_svg_chart_has_a_dot_for_each_flagged_day() {
        let days: Vec<ChartDay> = (1..=20).map(|at| day(at, 16.0, at % 9 == 0)).collect();
        let svg = Svg { days: &days, currency: "USD", width: 600, height: 160 }.render().expect("drawn");
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 2);
    }
}
