//! Charts: drawn here as SVG, for browsers without JavaScript, for paper and at once; drawn again by uPlot where there is JavaScript,
//! from the table that stands below each of them. Text is beside the drawing, so that it has its size on every screen.

use std::fmt::Write;

use askama::Template;

use super::parts::{address, file, file_name, rendered};
use crate::{error::Result, operations::Score, report::units::money};

/// Units of the drawing.
const WIDE: f64 = 1000.0;
const HIGH: f64 = 240.0;
/// Colours of series, in the stylesheet; the last is of all others.
pub(super) const COLOURS: usize = 9;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bars,
    Line,
    Dashes,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Bars => "bars",
            Kind::Line => "line",
            Kind::Dashes => "dashes",
        }
    }
}

/// A value for each day or period, where there is one.
pub(super) type Values = Vec<Option<f64>>;

/// Values by day or period.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub name: String,
    pub kind: Kind,
    /// Of the stylesheet.
    pub colour: usize,
    pub values: Values,
}

/// A chart with its table.
#[derive(Clone, Debug, Default)]
pub(super) struct Plot {
    /// What is shown, in words.
    pub caption: String,
    pub currency: String,
    /// Days or periods, by their first day.
    pub labels: Vec<String>,
    pub lines: Vec<Line>,
    /// Between what and what it was expected.
    pub band: Option<(Values, Values)>,
    /// Days that are flagged.
    pub flagged: Vec<bool>,
    /// From here on days are not finished, or still to come.
    pub open_from: Option<usize>,
    /// An amount that is not to be passed.
    pub limit: Option<(String, f64)>,
    /// Where each day leads.
    pub links: Vec<String>,
}

/// A row of the table below.
struct TwinRow {
    label: String,
    href: String,
    values: Vec<Option<f64>>,
    is_flagged: bool,
    is_open: bool,
}

#[derive(Template)]
#[template(path = "plot.html")]
struct PlotTemplate<'a> {
    plot: &'a Plot,
    drawing: String,
    ticks: Vec<String>,
    days: Vec<&'a str>,
    columns: Vec<(&'a str, &'static str, usize)>,
    rows: Vec<TwinRow>,
    description: String,
}

impl PlotTemplate<'_> {
    fn amount(&self, value: &Option<f64>) -> String {
        value.map_or(String::new(), |value| money(value, &self.plot.currency))
    }

    /// The table as a file that the page carries with it.
    fn file(&self) -> String {
        let currency = &self.plot.currency;
        let header = self.columns.iter().map(|(name, _, _)| format!("{name} ({currency})"));
        let header = ["from".to_owned()].into_iter().chain(header).chain(["flagged", "finished"].map(str::to_owned));
        let rows = self.rows.iter().map(|row| {
            let amounts = row.values.iter().map(|value| value.map_or(String::new(), |value| format!("{value:.2}")));
            let marks = [row.is_flagged.to_string(), (!row.is_open).to_string()];
            [row.label.clone()].into_iter().chain(amounts).chain(marks).collect()
        });
        file(&header.collect::<Vec<_>>(), rows)
    }

    fn file_name(&self) -> String {
        file_name(&self.plot.caption)
    }
}

impl Plot {
    /// The chart and its table as markup.
    ///
    /// # Errors
    /// Never, unless this program is broken.
    pub(super) fn render(&self) -> Result<String> {
        if self.labels.is_empty() {
            return Ok(String::new());
        }
        let (least, most) = self.extent();
        let most = nice(most);
        let least = if least < 0.0 { -nice(-least) } else { 0.0 };
        let middle = (least + most) / 2.0;
        let ticks = [most, middle, least].map(|value| short(value, &self.currency)).to_vec();
        let last = self.labels.len() - 1;
        let mut days = vec![self.labels[0].as_str()];
        days.extend([last / 2, last].into_iter().filter(|place| *place > 0).map(|place| self.labels[place].as_str()));
        let mut columns: Vec<(&str, &'static str, usize)> =
            self.lines.iter().map(|line| (line.name.as_str(), line.kind.name(), line.colour)).collect();
        if self.band.is_some() {
            columns.extend([("low", "low", COLOURS), ("high", "high", COLOURS)]);
        }
        let rows = (0..self.labels.len()).map(|place| TwinRow {
            label: self.labels[place].clone(),
            href: self.links.get(place).cloned().unwrap_or_default(),
            values: self.all(place),
            is_flagged: self.flagged.get(place).copied().unwrap_or(false),
            is_open: self.open_from.is_some_and(|from| place >= from),
        });
        rendered(&PlotTemplate {
            plot: self,
            drawing: self.drawing(least, most),
            ticks,
            days,
            columns,
            rows: rows.collect(),
            description: format!("{}, {} to {}", self.caption, self.labels[0], self.labels[last]),
        })
    }

    fn all(&self, place: usize) -> Vec<Option<f64>> {
        let at = |values: &Vec<Option<f64>>| values.get(place).copied().flatten();
        let band = self.band.iter().flat_map(|(low, high)| [at(low), at(high)]);
        self.lines.iter().map(|line| at(&line.values)).chain(band).collect()
    }

    /// The least and the greatest of what is drawn; bars stand on each other.
    fn extent(&self) -> (f64, f64) {
        let (mut least, mut most) = (0.0_f64, 0.01_f64);
        for place in 0..self.labels.len() {
            let (mut up, mut down) = (0.0, 0.0);
            for line in &self.lines {
                let value = line.values.get(place).copied().flatten().unwrap_or(0.0);
                match line.kind {
                    Kind::Bars if value >= 0.0 => up += value,
                    Kind::Bars => down += value,
                    _ => (least, most) = (least.min(value), most.max(value)),
                }
            }
            (least, most) = (least.min(down), most.max(up));
        }
        let high = self.band.iter().flat_map(|(_, high)| high).copied().flatten();
        (least, high.chain(self.limit.iter().map(|(_, limit)| *limit)).fold(most, f64::max))
    }

    fn drawing(&self, least: f64, most: f64) -> String {
        let step = WIDE / self.labels.len() as f64;
        let y = |value: f64| HIGH - (value - least) / (most - least) * HIGH;
        let middle = |place: usize| (place as f64 + 0.5) * step;
        let mut svg = String::new();
        // Writing to a string does not fail.
        let mut put = |text: std::fmt::Arguments| _ = svg.write_fmt(text);
        for value in [most, (least + most) / 2.0, 0.0_f64.max(least)] {
            put(format_args!("<path class=\"rule\" d=\"M0 {:.1}H{WIDE}\"/>", y(value)));
        }
        if let Some((low, high)) = &self.band {
            let ranges = low.iter().zip(high).map(|(low, high)| low.zip(*high));
            put(format_args!("<path class=\"band\" d=\"{}\"/>", band(ranges, middle, y)));
        }
        let gap = (step * 0.12).min(3.0);
        let (mut up, mut down) = (vec![0.0; self.labels.len()], vec![0.0; self.labels.len()]);
        for line in &self.lines {
            let colour = line.colour.min(COLOURS);
            let mut path = String::new();
            let mut is_pen_down = false;
            for (place, value) in line.values.iter().enumerate() {
                let Some(value) = value else {
                    is_pen_down = false;
                    continue;
                };
                match line.kind {
                    Kind::Bars if value.abs() < 0.005 => {}
                    Kind::Bars => {
                        let base = if *value >= 0.0 { &mut up[place] } else { &mut down[place] };
                        let (from, to) = (y(*base), y(*base + value));
                        *base += value;
                        let _ = write!(
                            path,
                            "M{:.1} {from:.1}H{:.1}V{to:.1}H{:.1}Z",
                            place as f64 * step + gap,
                            (place + 1) as f64 * step - gap,
                            place as f64 * step + gap
                        );
                    }
                    _ => {
                        let pen = if is_pen_down { 'L' } else { 'M' };
                        let _ = write!(path, "{pen}{:.1} {:.1}", middle(place), y(*value));
                        is_pen_down = true;
                    }
                }
            }
            put(format_args!("<path class=\"{} c{colour}\" d=\"{path}\"/>", line.kind.name()));
        }
        for (place, flagged) in self.flagged.iter().enumerate() {
            let top = self.lines.first().and_then(|line| line.values.get(place).copied().flatten());
            if let Some(value) = top.filter(|_| *flagged) {
                put(format_args!(
                    "<path class=\"flag\" d=\"M{:.1} {:.1}h0\"/>",
                    middle(place),
                    y(value.max(up[place]))
                ));
            }
        }
        if let Some((_, limit)) = &self.limit {
            put(format_args!("<path class=\"limit\" d=\"M0 {:.1}H{WIDE}\"/>", y(*limit)));
        }
        // Hatched: not finished.
        if let Some(from) = self.open_from.filter(|from| *from < self.labels.len()) {
            let (start, mut stripes) = (from as f64 * step, String::new());
            let mut x = start - HIGH;
            while x < WIDE {
                // A stripe goes up to the right, and is cut off where the open days begin.
                let (x1, y1) = if x < start { (start, HIGH - (start - x)) } else { (x, HIGH) };
                let (x2, y2) = if x + HIGH > WIDE { (WIDE, HIGH - (WIDE - x)) } else { (x + HIGH, 0.0) };
                let _ = write!(stripes, "M{x1:.0} {y1:.0}L{x2:.0} {y2:.0}");
                x += 14.0;
            }
            put(format_args!("<path class=\"open\" d=\"{stripes}\"/>"));
        }
        for (place, link) in self.links.iter().enumerate() {
            let said = self.lines.iter().filter_map(|line| {
                let value = line.values.get(place).copied().flatten()?;
                Some(format!("{} {}", line.name, money(value, &self.currency)))
            });
            let said = format!("{}: {}", self.labels[place], said.collect::<Vec<_>>().join(", "));
            put(format_args!(
                "<a href=\"{}\" tabindex=\"-1\"><path class=\"hit\" d=\"M{:.1} 0h{step:.1}v{HIGH}h-{step:.1}Z\"><title>{}</title></path></a>",
                crate::inert::html(link),
                place as f64 * step,
                crate::inert::html(&said)
            ));
        }
        svg
    }
}

/// What a day was expected to cost, and between what.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expected {
    middle: Option<f64>,
    range: Option<(f64, f64)>,
}

impl Expected {
    pub(super) fn of(day: &Score) -> Self {
        Self { middle: day.expected, range: day.low.zip(day.high) }
    }
}

/// A small course without axes: cost as a line over what was expected and the band around it.
pub(super) fn sparkline(costs: &[f64], expected: &[Expected], flagged: &[bool]) -> String {
    let (wide, high) = (120.0, 26.0);
    let tops = expected.iter().filter_map(|day| day.range.map(|(_, high)| high).or(day.middle));
    let most = costs.iter().copied().chain(tops).fold(0.01, f64::max);
    let step = wide / costs.len().max(1) as f64;
    let y = |value: f64| high - 2.0 - value.max(0.0) / most * (high - 4.0);
    let x = |place: usize| (place as f64 + 0.5) * step;
    let line = |values: &mut dyn Iterator<Item = (usize, f64)>| {
        let points: Vec<String> = values.map(|(place, value)| format!("{:.1} {:.1}", x(place), y(value))).collect();
        if points.is_empty() { String::new() } else { format!("M{}", points.join("L")) }
    };
    let costs_line = line(&mut costs.iter().copied().enumerate());
    let middles = expected.iter().enumerate();
    let expected_line = line(&mut middles.filter_map(|(place, day)| Some((place, day.middle?))));
    let band = band(expected.iter().map(|day| day.range), x, y);
    let dots: String = flagged
        .iter()
        .enumerate()
        .filter(|(place, is)| **is && *place < costs.len())
        .map(|(place, _)| format!("M{:.1} {:.1}h0", x(place), y(costs[place])))
        .collect();
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 {wide} {high}\" width=\"{wide}\" height=\"{high}\" aria-hidden=\"true\">\
         <path class=\"band\" d=\"{band}\"/><path class=\"expected\" d=\"{expected_line}\"/><path class=\"cost\" d=\"{costs_line}\"/>\
         <path class=\"flag\" d=\"{dots}\"/></svg>"
    )
}

/// The area between low and high, in pieces where some days have none: the path of an SVG. `x` gives the middle of a day, `y` the
/// height of an amount.
fn band(ranges: impl Iterator<Item = Option<(f64, f64)>>, x: impl Fn(usize) -> f64, y: impl Fn(f64) -> f64) -> String {
    let ranges: Vec<(usize, Option<(f64, f64)>)> = ranges.enumerate().collect();
    let mut path = String::new();
    for piece in ranges.split(|(_, range)| range.is_none()) {
        let at = |place: usize, value: f64| format!("{:.1} {:.1}", x(place), y(value));
        let known = || piece.iter().filter_map(|(place, range)| Some((*place, (*range)?)));
        let upper = known().map(|(place, (_, high))| at(place, high));
        let lower = known().rev().map(|(place, (low, _))| at(place, low));
        let points: Vec<String> = upper.chain(lower).collect();
        if points.len() > 2 {
            path += &format!("M{}Z", points.join("L"));
        }
    }
    path
}

/// A bar from one amount to another on a scale, for steps that lead from a sum to the next.
pub(super) fn step_bar(from: f64, to: f64, (least, most): (f64, f64), class: &str) -> String {
    let (wide, high) = (240.0, 16.0);
    let x = |value: f64| if most > least { (value - least) / (most - least) * wide } else { 0.0 };
    let (left, right) = (x(from.min(to)), x(from.max(to)));
    let width = (right - left).max(1.0);
    format!(
        "<svg class=\"step\" viewBox=\"0 0 {wide} {high}\" width=\"{wide}\" height=\"{high}\" aria-hidden=\"true\">\
         <rect class=\"{class}\" x=\"{left:.1}\" y=\"2\" width=\"{width:.1}\" height=\"12\"/></svg>"
    )
}

/// A share of an amount that may be spent, with where it is expected to end.
pub(super) fn gauge(spent: f64, expected: f64, amount: f64) -> String {
    let (wide, high) = (120.0, 10.0);
    let most = amount.max(expected).max(spent).max(0.01);
    let x = |value: f64| value.max(0.0) / most * wide;
    let class = if spent >= amount { "over" } else { "spent" };
    format!(
        "<svg class=\"gauge\" viewBox=\"0 0 {wide} {high}\" width=\"{wide}\" height=\"{high}\" aria-hidden=\"true\">\
         <rect class=\"rest\" width=\"{:.1}\" height=\"{high}\"/><rect class=\"{class}\" width=\"{:.1}\" height=\"{high}\"/>\
         <rect class=\"mark\" x=\"{:.1}\" width=\"2\" height=\"{high}\"/></svg>",
        x(expected),
        x(spent),
        (x(amount) - 2.0).max(0.0)
    )
}

/// The least of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten that is not below.
fn nice(value: f64) -> f64 {
    let power = 10f64.powf(value.max(1e-9).log10().floor());
    let steps = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|step| *step >= value * 0.9999).unwrap_or(value)
}

/// An amount for an axis: `$1.2k`.
pub(super) fn short(amount: f64, currency: &str) -> String {
    let (value, unit) = match amount.abs() {
        size if size >= 1e6 => (amount / 1e6, "m"),
        size if size >= 1e4 => (amount / 1e3, "k"),
        _ => (amount, ""),
    };
    let text = money(value, currency);
    // Cents of an axis are noise where they are none.
    let text = text.strip_suffix(".00").map_or(text.clone(), str::to_owned);
    let text = if unit.is_empty() { text } else { text.strip_suffix('0').map_or(text.clone(), str::to_owned) };
    format!("{text}{unit}")
}

/// Where the costs of a day, or of some days, are explored, with filters.
pub(super) fn days_link(from: &str, to: &str, filters: &[String]) -> String {
    let mut parameters = vec![("from", from), ("to", to)];
    parameters.extend(filters.iter().map(|filter| ("filter", filter.as_str())));
    address("/explore", &parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round() {
        for (value, round) in [(0.7, 0.8), (1.0, 1.0), (1.2, 1.5), (97.0, 100.0), (4321.0, 5000.0)] {
            assert!((nice(value) - round).abs() < 1e-9, "{value}");
        }
        assert_eq!(
            [short(1500.0, "USD"), short(0.0, "USD"), short(12_500.0, "USD"), short(2.5, "USD")],
            ["$1,500", "$0", "$12.5k", "$2.50"]
        );
    }

    #[test]
    fn a_small_course_lies_over_its_band() {
        let day = |range| Expected { middle: Some(10.0), range };
        let known = Some((5.0, 20.0));
        let drawn = sparkline(&[10.0; 6], &[known, known, None, known, known, known].map(day), &[false; 6]);
        let path = |class: &str| {
            let rest = drawn.split(&format!("class=\"{class}\" d=\"")).nth(1).expect("a path");
            rest.split('"').next().expect("its end").to_owned()
        };
        // Two pieces, of two days and of three; 20 is at the top, 5 at a quarter of the height, which has a rim of 2.
        let band = path("band");
        assert_eq!(
            band,
            "M10.0 2.0L30.0 2.0L30.0 18.5L10.0 18.5ZM70.0 2.0L90.0 2.0L110.0 2.0L110.0 18.5L90.0 18.5L70.0 18.5Z"
        );
        assert_eq!(path("cost"), path("expected"));
        assert!(sparkline(&[], &[], &[]).contains("class=\"cost\" d=\"\""));
    }

    #[test]
    fn a_chart_has_its_figures_in_a_table() {
        let line =
            Line { name: "cost <b>".into(), kind: Kind::Bars, colour: 0, values: vec![Some(10.0), Some(20.0), None] };
        let plot = Plot {
            caption: "Cost".into(),
            currency: "USD".into(),
            labels: ["2026-03-01", "2026-03-02", "2026-03-03"].map(str::to_owned).to_vec(),
            lines: vec![line],
            links: vec!["/a?x=1&y=2".into(); 3],
            open_from: Some(2),
            ..Plot::default()
        };
        let markup = plot.render().expect("drawn");
        assert!(markup.contains("data-v=\"20\"") && markup.contains("$20.00"), "{markup}");
        assert!(!markup.contains("<b>") && markup.contains("/a?x=1&amp;y=2"), "{markup}");
        // Two bars: the third day has no cost.
        let bars =
            markup.split("class=\"bars c0\" d=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a path");
        assert_eq!(bars.matches('M').count(), 2, "{bars}");
        // Twenty is at the top of a scale to 20.
        assert!(bars.contains("V0.0"), "{bars}");
    }
}
